"""What the drawing page's server takes and refuses: a real bot, a real worker, real HTTP."""

from __future__ import annotations

import asyncio
import stat

import aiohttp
import discord
import pytest
from sqlalchemy import select
from sqlalchemy.orm import undefer

from bot import web
from bot.links import DRAW_SECONDS, OPEN_SECONDS, LinkError, Links
from bot.settings import Settings
from bot.store.models import Drawing, DrawingSource
from bot.web import place
from retrieval.serving.errors import RetrievalError
from tests import drawings
from tests.acting import buttons, pictures, texts
from tests.at_the_page import Browser, body, done, last_card, open_page, token
from tests.conftest import open_world


async def _stored(w) -> list[Drawing]:
    async with w.services.store.read() as session:
        query = select(Drawing).options(undefer(Drawing.strokes))
        return list(await session.scalars(query))


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


async def test_draw_says_at_once_that_a_channel_is_closed(settings):
    async with open_page(settings) as w:
        nobody = discord.PermissionOverwrite(attach_files=False)
        closed = {w.guild.default_role: nobody}
        told = await w.mia.slash(w.guild.create_text_channel("news", overwrites=closed), "draw")
        assert "may not post pictures here" in told.response.content
        assert not told.response.components


async def test_match_post_and_vote(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        assert (await mia.ask("open"))[1]["channel"] == "#drawings"
        status, found = await mia.ask("live", body())
        assert status == 200
        assert len(found["photos"]) == 5
        assert all(photo["thumbnail"] for photo in found["photos"])
        known = [photo["id"] for photo in found["photos"]]

        status, posted = await mia.ask("post", done(known=known))
        assert status == 200
        assert [photo["id"] for photo in posted["photos"]] == known, "what was seen is posted"
        assert not any(photo["thumbnail"] for photo in posted["photos"]), "it has them already"
        card = last_card(w)
        assert card.message.author.id == w.bot.user.id
        assert f"<@{w.mia.id}>" in texts(card)
        sent = next(r for r in w.env.http_requests[::-1] if r.path.endswith("/messages"))
        assert sent.json["allowed_mentions"] == {"parse": []}, "named, not called"
        assert len(pictures(card)) == 6
        assert posted["url"] == card.message.jump_url
        (drawing,) = await _stored(w)
        assert drawing.source is DrawingSource.WEB
        assert drawing.author_id == w.mia.id
        assert drawing.card_message_id == card.message.id
        assert drawing.strokes == done()["sketch"]

        ballot = {"result": posted["photos"][1]["result"], "kind": "funny"}
        status, counted = await mia.ask("vote", ballot)
        assert status == 200
        assert counted["stands"]
        label = buttons(last_card(w))[f"mp:v1:vote:{ballot['result']}:funny"]
        assert label == "Funny · 1", "the card in the channel shows it"
        await w.ben.click(w.channel.last_message, custom_id=f"mp:v1:vote:{ballot['result']}:funny")
        counted = (await mia.ask("vote", ballot))[1]
        assert not counted["stands"], "tapped again, it is taken back"
        assert counted["tallies"][str(ballot["result"])]["funny"] == 1


async def _refused(browser: Browser, what: str, json=None) -> str:
    status, answer = await browser.ask(what, json)
    assert status == 403
    assert answer["code"] in ("link", "used")
    return answer["sentence"]


async def test_a_link_is_opened_within_15_minutes(settings):
    async with open_page(settings) as w:
        async with Browser(w, token(w, age=OPEN_SECONDS + 2)) as mia:
            assert "too old" in await _refused(mia, "open")
        async with Browser(w, token(w, age=OPEN_SECONDS - 10)) as mia:
            assert (await mia.ask("open"))[0] == 200


async def test_a_page_left_open_too_long_is_refused_and_not_reopened(settings):
    async with open_page(settings) as w:
        young, old = token(w), token(w, age=DRAW_SECONDS + 2)
        async with Browser(w, young) as mia:
            await mia.ask("open")
            mia.use(old)
            for what in ("open", "live", "post", "vote"):
                assert "too old" in await _refused(mia, what)


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
                    await _refused(thief, what)


async def test_a_link_belongs_to_the_browser_that_opened_it_also_after_a_restart(settings):
    async with open_page(settings) as w:
        link = token(w)
        async with Browser(w, link) as mia, Browser(w, link) as thief:
            await _refused(mia, "live", body())  # it was not opened yet
            assert (await mia.ask("open"))[0] == 200
            for what in ("open", "live", "post", "vote"):
                assert "another browser" in await _refused(thief, what, body())
            thief.use(token(w, user_id=w.ben.id))
            assert (await thief.ask("open"))[0] == 200
            thief.use(link)  # a cookie of its own does not help
            assert "another browser" in await _refused(thief, "post", done())
            assert (await mia.ask("open"))[0] == 200, "a reload is no second opening"
    async with open_page(settings) as w, Browser(w, link) as thief:
        assert "another browser" in await _refused(thief, "open")


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
        assert len(await _stored(w)) == 1
        for what in ("open", "live", "post"):
            assert "posted" in await _refused(mia, what, done() if what == "post" else body())


async def test_a_link_is_good_again_when_discord_refused_the_post(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        w.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
        status, answer = await mia.ask("post", done())
        assert status == 422
        assert "not allowed" in answer["sentence"]
        assert await _stored(w) == [], "of a drawing that nobody has seen nothing is kept"
        assert not [path for path in w.bot.settings.drawings.rglob("*") if path.is_file()]
        assert (await mia.ask("post", done()))[0] == 200


async def test_who_may_not_post_in_the_channel_any_more_cannot_from_the_page(settings):
    async with open_page(settings) as w:
        silent = w.guild.create_text_channel(
            "news",
            overwrites={w.guild.default_role: discord.PermissionOverwrite(send_messages=False)},
        )
        async with Browser(w, token(w, channel_id=silent.id)) as mia:
            status, answer = await mia.ask("open")
        assert status == 422
        assert "may not post" in answer["sentence"]
        async with Browser(w, token(w, user_id=w.env.create_user("stranger").id)) as stranger:
            assert "not in that server" in (await stranger.ask("open"))[1]["sentence"]
        async with Browser(w, token(w, channel_id=1234)) as mia:
            assert "gone" in (await mia.ask("open"))[1]["sentence"]


async def test_who_is_shut_out_while_drawing_sees_posts_and_votes_no_more(settings, monkeypatch):
    async with open_page(settings) as w, Browser(w, token(w)) as mia, Browser(w, token(w)) as other:
        await mia.ask("open")
        await other.ask("open")
        posted = (await other.ask("post", done()))[1]
        assert (await mia.ask("live", body()))[0] == 200
        w.guild.remove_member(w.mia)
        ballot = {"result": posted["photos"][0]["result"], "kind": "good"}
        monkeypatch.setattr(place, "_TRUSTED_SECONDS", 0.0)  # a minute has passed
        for browser, what, asked in (
            (mia, "live", body()),
            (mia, "post", done()),
            (other, "vote", ballot),
        ):
            status, answer = await browser.ask(what, asked)
            assert status == 422
            assert "not in that server" in answer["sentence"]
        assert len(await _stored(w)) == 1


async def test_private_threads_are_for_those_who_are_in_them(settings):
    async with open_page(settings) as w:
        channel = w.bot.get_channel(w.channel.id)
        thread = await channel.create_thread(name="secret", invitable=False)
        link = token(w, channel_id=thread.id)
        async with Browser(w, link) as mia:
            assert "may not post" in (await mia.ask("open"))[1]["sentence"]
            await thread.add_user(discord.Object(w.mia.id))
            assert (await mia.ask("open"))[1]["channel"] == "#secret"
            assert (await mia.ask("post", done()))[0] == 200


async def test_a_link_is_not_taken_while_the_bot_starts(settings, monkeypatch):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        with monkeypatch.context() as starting:
            starting.setattr(w.bot, "is_ready", lambda: False)
            status, answer = await mia.ask("open")
        assert status == 429
        assert answer["retry_after"] > 0
        assert (await mia.ask("open"))[0] == 200


async def test_another_link_does_not_let_anybody_ask_faster(settings):
    async with open_page(settings) as w:
        statuses = []
        for _ in range(4):
            async with Browser(w, token(w)) as mia:
                statuses += [(await mia.ask("open"))[0] for _ in range(6)]
        assert statuses == [200] * 20 + [429] * 4
        async with Browser(w, token(w, user_id=w.ben.id)) as ben:
            assert (await ben.ask("open"))[0] == 200
            blank = done() | {"drawing": "AAAA"}
            statuses = [(await ben.ask("post", blank))[0] for _ in range(7)]
        assert statuses == [422] * 6 + [429]


async def test_a_drawing_is_posted_though_its_browser_has_gone(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        slow = w.bot.retrieval.match

        async def match(*asked):
            await asyncio.sleep(0.5)
            return await slow(*asked)

        w.bot.retrieval.match = match
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(mia.ask("post", done()), 0.3)
        async with asyncio.timeout(10):
            while not (stored := await _stored(w)) or stored[0].card_message_id is None:
                await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            while (answer := (await mia.ask("post", done()))[1])["code"] != "used":
                await asyncio.sleep(0.05)
        assert "posted" in answer["sentence"]


async def test_a_vote_is_for_what_this_link_posted(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        await w.ben.slash(w.channel, "match", drawing=("fish.png", drawings.render_png("fish")))
        assert (await mia.ask("vote", {"result": 1, "kind": "good"}))[0] == 403


async def test_other_sites_cannot_ask(settings):
    async with open_page(settings) as w:
        for origin in ("https://evil.example", "null", ""):
            async with Browser(w, token(w), Origin=origin) as page:
                status, answer = await page.ask("open")
                assert status == 422
                assert "MAGIC_PENCIL_PUBLIC_URL" in answer["sentence"]


def _with_point(point):
    bad = done()
    bad["sketch"]["strokes"][0]["points"][0] = point
    return bad


BAD_BODIES = {
    "no JSON": b"{",
    "no number": _with_point([float("nan"), 0, 0.5, 0]),
    "infinite": b'{"drawing":"AAAA","sketch":{"version":1,"strokes":[{"tool":"pen","width":0.1,'
    b'"points":[[1e999,0,0.5,0]]}]}}',
    "off the paper": _with_point([9, 0, 0.5, 0]),
    "other tool": {**done(), "sketch": {"version": 1, "strokes": [{"tool": "saw"}]}},
    "no strokes": {**done(), "sketch": {"version": 1, "strokes": []}},
    "too many points": {
        **done(),
        "sketch": {
            "version": 1,
            "strokes": [{"tool": "pen", "width": 0.1, "points": [[0, 0, 0, 0]] * 20_001}] * 2,
        },
    },
    "something more": {**done(), "extra": 1},
    "no base64": {**done(), "drawing": "?"},
}


@pytest.mark.parametrize("bad", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_what_is_no_drawing_is_refused_and_the_link_stays_good(settings, bad):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        status, answer = await (
            mia.ask("post", data=bad) if isinstance(bad, bytes) else mia.ask("post", bad)
        )
        assert status == 400
        assert answer["sentence"]
        assert await _stored(w) == []
        assert (await mia.ask("live", body()))[0] == 200


async def test_bodies_have_a_limit_and_pictures_are_the_workers_to_judge(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        assert (await mia.ask("live", data=bytes(5 * 2**20)))[0] == 413
        status, answer = await mia.ask("live", {"drawing": "AAAA"})
        assert status == 422
        assert "picture" in answer["sentence"]


class _SlowClient:
    """A worker that takes its time and counts how many are at work at once."""

    def __init__(self) -> None:
        self.at_work = self.most = self.answered = 0

    async def match(self, *_: object) -> None:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            await asyncio.sleep(0.2)
        finally:
            self.at_work -= 1
        self.answered += 1
        raise RetrievalError("busy", retry_after=3.0)


async def test_one_match_at_a_time_the_newest_next_and_not_too_many(settings):
    worker = _SlowClient()
    async with open_page(settings, retrieval=worker) as w, Browser(w, token(w)) as mia:
        await mia.ask("open")
        answers = await asyncio.gather(*(mia.ask("live", body()) for _ in range(60)))
    statuses = [status for status, _ in answers]
    assert worker.most == 1
    assert worker.answered == 2, "the first and the newest"
    assert statuses.count(409) == 38
    assert statuses.count(429) == 20
    assert all(a["retry_after"] > 0 for _, a in answers if a["code"] == "busy")


async def test_every_answer_carries_what_keeps_a_browser_safe(settings):
    async with open_page(settings) as w, Browser(w, token(w)) as mia:
        for path in ("/draw", "/page/app.js", "/nothing"):
            response = await mia.get(path)
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert response.headers["Referrer-Policy"] == "no-referrer"
        async with aiohttp.ClientSession() as session:
            headers = {"Origin": w.bot.settings.public_url, "X-Draw-Link": token(w)}
            url = f"{w.bot.settings.public_url}/api/open"
            async with session.post(url, headers=headers) as response:
                cookie = response.headers["Set-Cookie"]
                assert response.headers["Cache-Control"] == "no-store"
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


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
