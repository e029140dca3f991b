"""Votes: one tap counts, the same tap takes it back, another kind replaces it."""

from __future__ import annotations

from sqlalchemy import delete, select

from bot.store.models import Drawing, Vote
from tests import drawings
from tests.acting import buttons, texts, together
from tests.conftest import World

FISH = ("fish.png", drawings.render_png("fish"))


async def _card(w: World):
    return (await w.mia.slash(w.channel, "match", drawing=FISH)).response


def _id(card, rank: int, kind: str) -> str:
    """Return the custom id of a button by the photo's rank."""
    ids = [custom_id for custom_id in buttons(card) if custom_id.endswith(":" + kind)]
    return ids[rank - 1]


async def _votes(w: World) -> list[tuple[int, str]]:
    async with w.services.store.read() as session:
        rows = await session.execute(select(Vote.user_id, Vote.kind).order_by(Vote.user_id))
        return [(user, kind.value) for user, kind in rows]


async def test_a_tap_counts_and_shows(world):
    async with world as w:
        card = await _card(w)
        result = await w.ben.click(card, custom_id=_id(card, 2, "funny"))
        assert result.acknowledged
        assert buttons(card)[_id(card, 2, "funny")] == "Funny · 1"
        assert await _votes(w) == [(w.ben.id, "funny")]
        others = [label for key, label in buttons(card).items() if key != _id(card, 2, "funny")]
        assert not any("·" in label for label in others)


async def test_the_same_tap_again_takes_the_vote_back(world):
    async with world as w:
        card = await _card(w)
        await w.ben.click(card, custom_id=_id(card, 1, "good"))
        await w.ben.click(card, custom_id=_id(card, 1, "good"))
        assert buttons(card)[_id(card, 1, "good")] == "Good match"
        assert await _votes(w) == []


async def test_another_kind_replaces_the_vote(world):
    async with world as w:
        card = await _card(w)
        await w.ben.click(card, custom_id=_id(card, 1, "good"))
        await w.ben.click(card, custom_id=_id(card, 1, "miss"))
        assert buttons(card)[_id(card, 1, "good")] == "Good match"
        assert buttons(card)[_id(card, 1, "miss")] == "Miss · 1"
        assert await _votes(w) == [(w.ben.id, "miss")]


async def test_a_person_may_vote_on_each_photo(world):
    async with world as w:
        card = await _card(w)
        for rank in range(1, 6):
            await w.ben.click(card, custom_id=_id(card, rank, "good"))
        assert len(await _votes(w)) == 5


async def test_two_people_voting_at_once_are_both_counted(world):
    async with world as w:
        card = await _card(w)
        with together(w.env):
            await w.mia.click(card, custom_id=_id(card, 1, "funny"))
            await w.ben.click(card, custom_id=_id(card, 1, "funny"))
        await w.env.settle()
        assert buttons(card)[_id(card, 1, "funny")] == "Funny · 2"
        assert len(await _votes(w)) == 2


async def test_ten_quick_taps_of_one_person_leave_no_vote_and_eleven_leave_one(world):
    async with world as w:
        card = await _card(w)
        for taps, left in ((10, 0), (11, 1)):
            with together(w.env):
                for _ in range(taps):
                    await w.ben.click(card, custom_id=_id(card, 1, "good"))
            await w.env.settle()
            assert len(await _votes(w)) == left
            shown = buttons(card)[_id(card, 1, "good")]
            assert shown == ("Good match · 1" if left else "Good match")


async def test_buttons_work_after_a_restart_and_counts_are_still_there(world):
    async with world as w:
        card = await _card(w)
        await w.ben.click(card, custom_id=_id(card, 3, "good"))
        await w.restart()
        await w.mia.click(card, custom_id=_id(card, 3, "good"))
        assert buttons(card)[_id(card, 3, "good")] == "Good match · 2"


async def test_the_card_keeps_its_pictures_and_text_when_votes_change_it(world):
    async with world as w:
        card = await _card(w)
        before = texts(card), [a.filename for a in card.attachments]
        await w.ben.click(card, custom_id=_id(card, 3, "good"))
        assert (texts(card), [a.filename for a in card.attachments]) == before


async def test_a_vote_on_a_result_that_is_gone_is_told_in_private(world):
    async with world as w:
        card = await _card(w)
        async with w.services.store.write() as session:
            await session.execute(delete(Drawing))
        result = await w.ben.click(card, custom_id=_id(card, 1, "good"))
        (note,) = result.followups
        assert note.ephemeral
        assert "gone" in note.content


async def test_a_vote_stands_and_is_confirmed_when_discord_refuses_the_edit(world):
    async with world as w:
        card = await _card(w)
        w.env.inject_error("PATCH", "/webhooks/*/messages/*", status=429 + 1, code=30046)
        result = await w.ben.click(card, custom_id=_id(card, 1, "funny"))
        assert await _votes(w) == [(w.ben.id, "funny")]
        (note,) = result.followups
        assert note.ephemeral
        assert "Funny" in note.content
