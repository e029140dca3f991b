"""Serves the page: where it listens, what every answer carries, how an error is told."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot import errors
from bot.app import MagicPencil
from bot.errors import UserError
from bot.links import LinkError, UsedLinkError
from bot.web.bodies import MAX_BODY, Refused
from bot.web.pace import LateError, LaterError
from bot.web.site import Elsewhere, Site
from retrieval.serving.errors import RetrievalError

log = structlog.get_logger(__name__)

_PAGE = Path(__file__).parent / "page"
_SECONDS_TO_FINISH = 10.0
_HEADERS = {
    # Nothing from elsewhere, nothing inline, in nobody's frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NOT_FROM_THE_PAGE = (
    "This page is not at the address that the host has set for it (`MAGIC_PENCIL_PUBLIC_URL`)."
)
_OTHER_VERSION = "This page and I do not understand each other. Reload it; your drawing is kept."
_TOO_LARGE = "That drawing is too large for me."


class ListenError(RuntimeError):
    """The page cannot be served where it should be."""


def listen(host: str, port: int) -> socket.socket:
    """Take hold of an address before anything that takes long; port 0 is any that is free.

    Raises:
        ListenError: it is taken, or not to be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "not an address"
        raise ListenError(f"Nothing can be served on {host}, port {port}: {reason}.") from error


@asynccontextmanager
async def serve(
    bot: MagicPencil, listening: socket.socket | None = None, elsewhere: Elsewhere | None = None
) -> AsyncIterator[None]:
    """Serve the page as long as this is entered, if the host has set an address for it.

    Args:
        bot: what answers.
        listening: where; by default what the settings say.
        elsewhere: what a Discord that is not the real one changes.

    Raises:
        ListenError: there is no listening where it should be.
    """
    settings = bot.settings
    if settings.public_url is None:
        yield
        return
    site = Site(bot, settings.public_url, elsewhere)
    # The access log would hold who came when; what goes wrong is logged where it does.
    runner = web.AppRunner(
        _application(site),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=_SECONDS_TO_FINISH,
    )
    await runner.setup()
    try:
        listening = listening or listen(settings.listen_host, settings.listen_port)
        await web.SockSite(runner, listening).start()
        log.info("the drawing page is served", address=settings.public_url)
        yield
    finally:
        await site.finish(_SECONDS_TO_FINISH)
        await runner.cleanup()


def _application(site: Site) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_guard(site)])
    app.on_response_prepare.append(_add_headers)

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE / "index.html")

    app.router.add_get("/", site.start)
    app.router.add_get("/draw", page)
    app.router.add_static("/page", _PAGE)
    for name in ("open", "live", "post", "vote"):
        app.router.add_post(f"/api/{name}", getattr(site, name))
    return app


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    # What is asked is nobody else's; the page itself is looked up anew after an update.
    kept = "no-store" if response.content_type == "application/json" else "no-cache"
    response.headers.setdefault("Cache-Control", kept)


def _guard(site: Site) -> Middleware:
    """Let through what comes from the page itself, and make a sentence of every error."""
    parts = urlsplit(site.public_url)
    origin = f"{parts.scheme}://{parts.netloc}"

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            # Browsers send it with every POST and let no page choose it.
            if request.method == "POST" and request.headers.get("Origin", "").lower() != origin:
                raise UserError(_NOT_FROM_THE_PAGE)
            return await handler(request)
        except Exception as error:
            if request.method != "POST" and isinstance(error, web.HTTPException):
                raise  # a redirection, or a file that there is not
            status, refused = _refusal(error, site.again)
            body = msgspec.json.encode(refused)
            return web.Response(status=status, body=body, content_type="application/json")

    return guard


def _refusal(error: Exception, again: str | None) -> tuple[int, Refused]:
    """Return the status and what the page is told."""
    match error:
        case UsedLinkError():
            return 403, Refused("used", str(error), again=again)
        case LinkError():
            return 403, Refused("link", str(error), again=again)
        case LateError():
            return 409, Refused("busy", "You are drawing in another tab as well.", 1.0)
        case LaterError():
            return 429, Refused("busy", str(error), error.retry_after)
        case msgspec.DecodeError():
            return 400, Refused("other", _OTHER_VERSION)
        case web.HTTPRequestEntityTooLarge():
            return 413, Refused("other", _TOO_LARGE)
        case web.HTTPException():
            return error.status, Refused("other", _OTHER_VERSION)
        case RetrievalError(code="blank"):
            return 422, Refused("blank", errors.explain(error).text)
        case RetrievalError(code="busy" | "expired" | "worker_gone"):
            return 503, Refused("busy", errors.explain(error).text, error.retry_after or 2.0)
    told = errors.explain(error)
    return 500 if told.incident else 422, Refused("other", told.text)
