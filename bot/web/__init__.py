"""The drawing page: what the bot serves to a browser, at the address that the host has set.

Here live the server, the page's few questions and answers (JSON), and the page itself in ``page/``.
Nothing here decodes an image: what is drawn comes as PNG and goes to the worker as any upload does,
and what is posted goes through ``bot.features.drawing``.
"""

from bot.web.server import ListenError, listen, serve
from bot.web.site import Elsewhere

__all__ = ["Elsewhere", "ListenError", "listen", "serve"]
