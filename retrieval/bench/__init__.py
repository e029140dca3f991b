"""Timings that decide something, as ratios of two things measured in the same run.

One module a question. Measures the real code from outside; nothing here is used to serve.
"""
