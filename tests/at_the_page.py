"""Being at the drawing page: a world that serves it, a browser's side of its questions, links."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import aiohttp
from sqlalchemy import select
from sqlalchemy.orm import undefer

from bot import web
from bot.links import address
from bot.settings import Settings
from bot.store.models import Drawing
from tests import drawings
from tests.conftest import World, open_world


@asynccontextmanager
async def open_page(settings: Settings, **changes: Any) -> AsyncIterator[World]:
    """Open a world whose bot serves the drawing page."""
    with web.listen("127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = settings.model_copy(update={"public_url": url})
        async with (
            open_world(settings, own_worker=False, **changes) as w,
            web.serve(w.bot, listening),
        ):
            yield w


def token(w: World, *, age: float = 0, **changes: int) -> str:
    """Return the token of a link for Mia, issued a while ago."""
    link = {"guild_id": w.guild.id, "channel_id": w.channel.id, "user_id": w.mia.id} | changes
    with patch(
        "itsdangerous.timed.TimestampSigner.get_timestamp", return_value=int(time.time() - age)
    ):
        return w.bot.links.issue(**link)


def link(w: World, **changes: int) -> str:
    """Return a link as Mia gets it."""
    return address(w.bot.settings.public_url, token(w, **changes))


def sketch(name: str = "fish") -> dict[str, Any]:
    """Return a drawing's strokes as the page sends them."""
    strokes = [
        {"tool": "pen", "width": 0.012, "points": [[x, y, 0.5, 16 * n] for n, (x, y) in points]}
        for points in (enumerate(stroke) for stroke in drawings.load(name).strokes)
    ]
    return {"version": 1, "strokes": strokes}


def body(name: str = "fish", **more: Any) -> dict[str, Any]:
    """Return what the page sends of a drawing."""
    return {"drawing": base64.b64encode(drawings.render_png(name)).decode(), **more}


def done(name: str = "fish", **more: Any) -> dict[str, Any]:
    """Return what the page sends of a drawing to be posted."""
    return body(name, sketch=sketch(name), **more)


def last_card(w: World) -> Any:
    """Return the channel's last message, its components as they were sent."""
    message = w.channel.last_message
    components = [component.to_dict() for component in message.components]
    return SimpleNamespace(message=message, content=message.content, components=components)


class Browser:
    """A browser without a screen: it keeps cookies and says where its page is from."""

    def __init__(self, w: World, link_token: str, **headers: str) -> None:
        self._url = w.bot.settings.public_url
        self._headers = {"Origin": self._url, "X-Draw-Link": link_token} | headers
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, what: str, json: Any = None, data: bytes | None = None) -> Any:
        """Ask; returns the status and what was answered."""
        if data is None and json is None:
            json = {}
        async with self._session.post(
            f"{self._url}/api/{what}", json=json, data=data, headers=self._headers
        ) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> aiohttp.ClientResponse:
        """Fetch a file, as a page or a link's previewer does."""
        return await self._session.get(f"{self._url}{path}", allow_redirects=False)

    def use(self, link_token: str) -> None:
        """Go on with another link, in the same browser."""
        self._headers["X-Draw-Link"] = link_token


async def stored(w) -> list[Drawing]:
    """Return the drawings that are kept, with their strokes."""
    async with w.services.store.read() as session:
        query = select(Drawing).options(undefer(Drawing.strokes))
        return list(await session.scalars(query))


async def refused(browser: Browser, what: str, json=None) -> str:
    """Ask for what must be refused; returns what is said."""
    status, answer = await browser.ask(what, json)
    assert status == 403
    assert answer["code"] in ("link", "used")
    return answer["sentence"]
