"""What the drawing page's server takes and refuses: a real bot, a real worker, real HTTP."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.store.models import DrawingSource
from retrieval.serving.errors import RetrievalError
from tests import drawings
from tests.acting import buttons, pictures, texts
from tests.at_the_page import Browser, body, done, last_card, open_page, stored, token


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
        (drawing,) = await stored(w)
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
            while not (kept := await stored(w)) or kept[0].card_message_id is None:
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
        assert await stored(w) == []
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
