"""Who is at the page: a link, and the browser that opened it.

The page sends its link in a header with everything it asks, so two tabs can draw for two channels.
The browser is known by a cookie that no script can read and no other site's page can send.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from bot.app import MagicPencil
from bot.links import DRAW_SECONDS, OPEN_SECONDS, Link, LinkError, UsedLinkError
from bot.store import draw_links
from bot.store.models import DrawLink

HEADER = "X-Draw-Link"
_COOKIE = "magic-pencil"
_ELSEWHERE = (
    "This link was opened in another browser already, and it works once. Type `/draw` in Discord "
    "for one of your own."
)
_USED = "What you drew here is posted. Type `/draw` in Discord for another page."


@dataclass(frozen=True, slots=True)
class Visit:
    """A link that this browser opened and has not used, or has: see its row."""

    link: Link
    row: DrawLink
    cookie: str

    def unused(self) -> Link:
        """Return the link if something may still be drawn with it.

        Raises:
            UsedLinkError: it was used.
        """
        if self.row.used_at is not None:
            raise UsedLinkError(_USED)
        return self.link


def read(bot: MagicPencil, request: web.Request, seconds: int = DRAW_SECONDS) -> Link:
    """Return the link that a request comes with, whosever it is.

    Raises:
        LinkError: it is forged or too old.
    """
    return bot.links.read(request.headers.get(HEADER, ""), seconds)


async def begin(bot: MagicPencil, request: web.Request) -> Visit:
    """Open a link: the browser that does so first has it from then on.

    Raises:
        LinkError: it is forged, too old, or another browser's.
    """
    link, cookie = read(bot, request), request.cookies.get(_COOKIE)
    async with bot.store.read() as session:
        row = await draw_links.find(session, link.nonce)
    if row is None:
        read(bot, request, OPEN_SECONDS)
        cookie = cookie or secrets.token_urlsafe(32)
        async with bot.store.write() as session:
            row = await draw_links.opened(session, link.nonce, _digest(cookie), DRAW_SECONDS)
    return _same_browser(link, row, cookie)


async def go_on(bot: MagicPencil, request: web.Request) -> Visit:
    """Return the visit that a request belongs to.

    Raises:
        LinkError: as :func:`begin`, or it was never opened.
    """
    link = read(bot, request)
    async with bot.store.read() as session:
        row = await draw_links.find(session, link.nonce)
    return _same_browser(link, row, request.cookies.get(_COOKIE))


def remember_browser(response: web.Response, visit: Visit, public_url: str) -> None:
    """Give the browser its cookie."""
    parts = urlsplit(public_url)
    response.set_cookie(
        _COOKIE,
        visit.cookie,
        max_age=DRAW_SECONDS,
        path=parts.path or "/",
        secure=parts.scheme == "https",
        httponly=True,
        samesite="Strict",
    )


def _same_browser(link: Link, row: DrawLink | None, cookie: str | None) -> Visit:
    if row is None or not cookie or not hmac.compare_digest(row.browser, _digest(cookie)):
        raise LinkError(_ELSEWHERE)
    return Visit(link, row, cookie)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
