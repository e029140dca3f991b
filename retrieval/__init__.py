"""Images, vectors and models: everything about retrieval, and nothing of Discord.

What lives here must not import from ``bot``. The bot process imports only
``retrieval.serving.client``, ``.supervisor`` and ``.messages`` (and ``retrieval.home``), which load
neither torch nor faiss.
"""
