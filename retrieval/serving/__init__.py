"""The worker process and the way to reach it.

``messages`` is the wire, ``framing`` cuts it into frames, ``client`` and ``supervisor`` run in the
bot's process (no torch, no faiss), ``engine``, ``batching``, ``worker`` and ``process`` in
the worker's.
"""
