"""What members see and touch: the result card and the base classes that buttons are built on.

Nothing here reads the database or asks the worker: it is given what to show.
"""
