"""Drawings and their cards."""

from collections.abc import Awaitable, Callable

from sqlalchemy import delete, func, select, text

from bot.store import Store
from bot.store.drawings import attach_card, card_for_result, load_card
from bot.store.models import Drawing, Result, Vote
from bot.store.votes import cast

RecordDrawing = Callable[..., Awaitable[Drawing]]


async def test_a_recorded_drawing_has_its_ids_and_results_in_rank_order(
    record_drawing: RecordDrawing,
) -> None:
    drawing = await record_drawing(photos=3)
    assert drawing.id > 0
    assert [(r.rank, r.title) for r in drawing.results] == [
        (1, "Photo 0"),
        (2, "Photo 1"),
        (3, "Photo 2"),
    ]
    assert all(r.id > 0 for r in drawing.results)


async def test_a_card_is_found_by_drawing_and_by_result(
    store: Store, record_drawing: RecordDrawing
) -> None:
    await record_drawing()
    drawing = await record_drawing(photos=2)
    first, second = drawing.results
    async with store.write() as session:
        await cast(session, second.id, 1, "funny")
        await cast(session, second.id, 2, "funny")
        await cast(session, second.id, 3, "miss")
    async with store.read() as session:
        card = await card_for_result(session, second.id)
        same = await load_card(session, drawing.id)
    assert card is not None
    assert card == same
    assert card.drawing.id == drawing.id
    assert card.drawing.channel_id == 2**62
    assert card.drawing.created_at == drawing.created_at
    assert [r.id for r in card.results] == [first.id, second.id]
    assert card.tallies == {
        first.id: {"good": 0, "miss": 0, "funny": 0},
        second.id: {"good": 0, "miss": 1, "funny": 2},
    }


async def test_a_card_that_is_gone_is_none(store: Store) -> None:
    async with store.read() as session:
        assert await load_card(session, 99) is None
        assert await card_for_result(session, 99) is None


async def test_a_card_remembers_its_message(store: Store, record_drawing: RecordDrawing) -> None:
    drawing = await record_drawing()
    async with store.write() as session:
        await attach_card(session, drawing.id, 2**61, 2**62)
        await attach_card(session, 99, 1, 1)  # gone: nothing happens
    async with store.read() as session:
        card = await load_card(session, drawing.id)
    assert card is not None
    assert (card.drawing.card_channel_id, card.drawing.card_message_id) == (2**61, 2**62)


async def test_deleting_a_drawing_takes_its_results_and_votes_along(
    store: Store, record_drawing: RecordDrawing
) -> None:
    drawing = await record_drawing()
    async with store.write() as session:
        await cast(session, drawing.results[0].id, 1, "good")
        await session.execute(delete(Drawing))
        left = [await session.scalar(select(func.count()).select_from(t)) for t in (Result, Vote)]
    assert left == [0, 0]


async def test_ids_of_deleted_results_are_never_given_again(
    store: Store, record_drawing: RecordDrawing
) -> None:
    """An old button must not vote on somebody else's photo."""
    old = await record_drawing()
    async with store.write() as session:
        await session.execute(text("DELETE FROM drawings"))
    new = await record_drawing()
    assert new.id > old.id
    assert {r.id for r in new.results}.isdisjoint({r.id for r in old.results})
