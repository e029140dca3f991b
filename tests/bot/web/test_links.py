"""Links to the drawing page: whose they are, how long they hold, and how often."""

from __future__ import annotations

import asyncio
import stat

import pytest

from bot.links import DRAW_SECONDS, OPEN_SECONDS, LinkError, Links
from tests.at_the_page import Browser, body, done, open_page, refused, stored, token


async def test_draw_gives_a_link_to_that_member_alone(settings):
    async with open_page(settings) as w:
        told = (await w.mia.slash(w.channel, "draw")).response
        assert told.ephemeral
        url = told.components[0]["components"][0]["url"]
        assert url.startswith(f"{w.bot.settings.public_url}/draw#")
        link = w.bot.links.read(url.split("#")[1], 60)
        assert (link.guild_id, link.channel_id, link.user_id) == (
            w.guild.id,
            w.channel.id,
            w.mia.id,
        )


async def test_draw_explains_itself_where_there_is_no_page(world):
    async with world as w:
        told = (await w.mia.slash(w.channel, "draw")).response
        assert told.ephemeral
        assert "MAGIC_PENCIL_PUBLIC_URL" in told.content
        assert "`/match`" in told.content


async def test_a_link_is_opened_within_15_minutes(settings):
    async with open_page(settings) as w:
        async with Browser(w, token(w, age=OPEN_SECONDS + 2)) as mia:
            assert "too old" in await refused(mia, "open")
        async with Browser(w, token(w, age=OPEN_SECONDS - 10)) as mia:
            assert (await mia.ask("open"))[0] == 200


async def test_a_page_left_open_too_long_is_refused_and_not_reopened(settings):
    async with open_page(settings) as w:
        young, old = token(w), token(w, age=DRAW_SECONDS + 2)
        async with Browser(w, young) as mia:
            await mia.ask("open")
            mia.use(old)
            for what in ("open", "live", "post", "vote"):
                assert "too old" in await refused(mia, what)


async def test_forged_links_are_refused(settings):
    async with open_page(settings) as w:
        real = token(w)
        payload, issued, signature = real.rsplit(".", 2)
        others = token(w, user_id=w.ben.id).rsplit(".", 2)[0]
        forged = Links(b"another key").issue(w.guild.id, w.channel.id, w.mia.id)
        for bad in (
            *("", "x", forged, f"{payload}.{issued}", f"{real}x"),
            f"{others}.{issued}.{signature}",
            f"{payload}.zzzzzz.{signature}",
        ):
            async with Browser(w, bad) as thief:
                for what in ("open", "live", "post", "vote"):
                    await refused(thief, what)


async def test_a_link_belongs_to_the_browser_that_opened_it_also_after_a_restart(settings):
    async with open_page(settings) as w:
        link = token(w)
        async with Browser(w, link) as mia, Browser(w, link) as thief:
            await refused(mia, "live", body())  # it was not opened yet
            assert (await mia.ask("open"))[0] == 200
            for what in ("open", "live", "post", "vote"):
                assert "another browser" in await refused(thief, what, body())
            thief.use(token(w, user_id=w.ben.id))
            assert (await thief.ask("open"))[0] == 200
            thief.use(link)  # a cookie of its own does not help
            assert "another browser" in await refused(thief, "post", done())
            assert (await mia.ask("open"))[0] == 200, "a reload is no second opening"
    async with open_page(settings) as w, Browser(w, link) as thief:
        assert "another browser" in await refused(thief, "open")


async def test_a_preview_of_the_link_does_not_use_it_up(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        async with Browser(w, "") as crawler:
            assert (await crawler.get("/draw")).status == 200
            assert (await crawler.get("/")).headers["Location"] == (
                f"{w.bot.settings.public_url}/draw"
            )
        assert (await mia.ask("open"))[0] == 200


async def test_a_link_is_used_once_however_often_post_is_tapped(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        answers = await asyncio.gather(*(mia.ask("post", done()) for _ in range(4)))
        assert sorted(status for status, _ in answers) == [200, 403, 403, 403]
        assert len(await stored(w)) == 1
        for what in ("open", "live", "post"):
            assert "posted" in await refused(mia, what, done() if what == "post" else body())


async def test_a_link_is_good_again_when_discord_refused_the_post(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        w.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
        status, answer = await mia.ask("post", done())
        assert status == 422
        assert "not allowed" in answer["sentence"]
        assert await stored(w) == [], "of a drawing that nobody has seen nothing is kept"
        assert not [path for path in w.bot.settings.drawings.rglob("*") if path.is_file()]
        assert (await mia.ask("post", done()))[0] == 200


async def test_a_link_is_not_taken_while_the_bot_starts(settings, monkeypatch):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        with monkeypatch.context() as starting:
            starting.setattr(w.bot, "is_ready", lambda: False)
            status, answer = await mia.ask("open")
        assert status == 429
        assert answer["retry_after"] > 0
        assert (await mia.ask("open"))[0] == 200


async def test_neither_links_nor_cookies_are_logged(settings, capfd):
    from bot import logs

    logs.configure(settings)

    class Broken:
        async def match(self, *_: object) -> None:
            raise ZeroDivisionError

    async with open_page(settings, retrieval=Broken()) as w:
        link = token(w)
        port = int(w.bot.settings.public_url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST /api/open HTTP/1.1\r\nX-Draw-Link: {link}\x00\r\n\r\n".encode())
        assert b" 400 " in await reader.readline()
        writer.close()
        async with Browser(w, link) as mia:
            await mia.ask("open")
            cookie = next(iter(mia._session.cookie_jar)).value
            status, answer = await mia.ask("live", body())
    logged = capfd.readouterr().err
    assert status == 500
    assert answer["sentence"].split("`")[1] in logged
    assert link not in logged
    assert cookie not in logged


def test_the_key_is_the_hosts_alone_and_stays(tmp_path):
    first = Links.of(tmp_path)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Links.of(tmp_path).read(first.issue(1, 2, 3), 60).channel_id == 2


def test_a_key_that_was_cut_off_is_not_signed_with(tmp_path):
    (tmp_path / "links.key").write_bytes(b"")
    links = Links.of(tmp_path)
    with pytest.raises(LinkError):
        links.read(Links(b"").issue(1, 2, 3), 60)
