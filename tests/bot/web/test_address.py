"""Where the drawing page is served, and where it is not."""

from __future__ import annotations

import aiohttp
import pytest

from bot import web
from bot.settings import Settings
from tests.at_the_page import open_page, token
from tests.conftest import open_world


@pytest.mark.parametrize(
    "bad", ["draw.example.org", "ftp://x.org", "https://x.org/?a=1", "https://me:secret@x.org"]
)
def test_the_address_must_be_one(bad):
    with pytest.raises(ValueError, match="address"):
        Settings(public_url=bad)


@pytest.mark.parametrize(
    ("written", "as_browsers_do"),
    [
        ("https://Draw.Example.org:443/", "https://draw.example.org"),
        ("https://example.org/pencil/", "https://example.org/pencil"),
        ("http://bücher.example:8080", "http://xn--bcher-kva.example:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_the_address_is_kept_as_browsers_write_it(written, as_browsers_do):
    assert Settings(public_url=written).public_url == as_browsers_do


async def test_below_a_path_behind_a_proxy(settings):
    """As Caddy's `handle_path /pencil/*` hands it on: the path taken off."""
    async with open_page(settings) as w:
        at = w.bot.settings.public_url
        site_settings = w.bot.settings.model_copy(
            update={"public_url": "https://example.org/pencil"}
        )
        w.bot.settings = site_settings
        with web.listen("127.0.0.1", 0) as listening:
            at = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with web.serve(w.bot, listening), aiohttp.ClientSession() as session:
                async with session.get(f"{at}/", allow_redirects=False) as response:
                    assert response.headers["Location"] == "https://example.org/pencil/draw"
                headers = {"Origin": "https://example.org", "X-Draw-Link": token(w)}
                async with session.post(f"{at}/api/open", headers=headers) as response:
                    assert response.status == 200
                    cookie = response.headers["Set-Cookie"]
        assert "Path=/pencil;" in cookie
        assert "Secure" in cookie


async def test_without_an_address_nothing_is_served(settings):
    async with open_world(settings, own_worker=False) as w, web.serve(w.bot):
        pass
