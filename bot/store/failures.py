"""Failure cases: photos that people say are wrong, with what moderators note about them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from bot.store import tallies, votes
from bot.store.drawings import StoredCard
from bot.store.models import Drawing, FailureNote, Note, Result, Vote, VoteKind
from bot.store.verdicts import has_failed


@dataclass(frozen=True, slots=True)
class Failure:
    """A photo that failed, with all votes on it."""

    drawing: Drawing
    result: Result
    good: int
    miss: int
    funny: int
    notes: frozenset[Note]


def _failed(guild_id: int, note: Note | None) -> Select[Any]:
    counted = tallies.by_result(guild_id, own=True)
    query = (
        select(Result, Drawing, counted.c.good, counted.c.miss, counted.c.funny)
        .join(counted, counted.c.result_id == Result.id)
        .join(Drawing, Drawing.id == Result.drawing_id)
        .where(has_failed(counted.c.good, counted.c.miss))
    )
    if note is not None:
        noted = select(FailureNote.result_id).where(FailureNote.note == note)
        query = query.where(Result.id.in_(noted))
    return query


async def count(session: AsyncSession, guild_id: int, note: Note | None = None) -> int:
    """Count a server's failures, those with a note if one is given."""
    return (
        await session.scalar(select(func.count()).select_from(_failed(guild_id, note).subquery()))
        or 0
    )


async def page(
    session: AsyncSession, guild_id: int, note: Note | None, offset: int, limit: int
) -> list[Failure]:
    """Return some of a server's failures, the newest drawing first."""
    query = _failed(guild_id, note).order_by(Drawing.id.desc(), Result.rank)
    rows = (await session.execute(query.offset(offset).limit(limit))).all()
    noted = await notes(session, [row[0].id for row in rows])
    return [
        Failure(drawing, result, good, miss, funny, noted.get(result.id, frozenset()))
        for result, drawing, good, miss, funny in rows
    ]


async def notes(session: AsyncSession, result_ids: Collection[int]) -> dict[int, frozenset[Note]]:
    """Return what is noted about results, by id."""
    query = select(FailureNote.result_id, FailureNote.note).where(
        FailureNote.result_id.in_(result_ids)
    )
    found: dict[int, frozenset[Note]] = {}
    for result_id, note in await session.execute(query):
        found[result_id] = found.get(result_id, frozenset()) | {note}
    return found


async def annotate(
    session: AsyncSession, result_id: int, chosen: Collection[Note], by: int
) -> None:
    """Replace what is noted about a result."""
    known = (await notes(session, [result_id])).get(result_id, frozenset())
    gone = known - set(chosen)
    await session.execute(
        delete(FailureNote).where(FailureNote.result_id == result_id, FailureNote.note.in_(gone))
    )
    for note in sorted(set(chosen) - known):
        session.add(FailureNote(result_id=result_id, note=note, noted_by=by))
    await session.flush()


async def judged_drawings(session: AsyncSession, guild_id: int | None) -> Sequence[int]:
    """Return the ids of drawings with a photo that votes call good or a miss, the newest first."""
    query = (
        select(Drawing.id)
        .where(
            Drawing.id.in_(
                select(Result.drawing_id)
                .join(Vote, Vote.result_id == Result.id)
                .where(Vote.kind != VoteKind.FUNNY)
            )
        )
        .order_by(Drawing.id.desc())
    )
    if guild_id is not None:
        query = query.where(Drawing.guild_id == guild_id)
    return (await session.scalars(query)).all()


async def cards(session: AsyncSession, drawing_ids: Sequence[int]) -> list[StoredCard]:
    """Return some drawings with their results and votes, in the order of the ids."""
    query = (
        select(Drawing).where(Drawing.id.in_(drawing_ids)).options(selectinload(Drawing.results))
    )
    found = {drawing.id: drawing for drawing in await session.scalars(query)}
    results = [result.id for drawing in found.values() for result in drawing.results]
    counted = await votes.tallies(session, results)
    return [
        StoredCard(found[key], tuple(found[key].results), counted)
        for key in drawing_ids
        if key in found
    ]
