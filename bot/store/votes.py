"""One person, one vote a photo: casting, changing, taking back, counting."""

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import Result, Vote, VoteKind

Tally = dict[VoteKind, int]  # every kind is there, 0 when nobody said it


class UnknownResultError(LookupError):
    """The result voted on is gone."""


class VoteOutcome(StrEnum):
    """What a cast did."""

    COUNTED = "counted"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"


async def cast(
    session: AsyncSession, result_id: int, user_id: int, kind: VoteKind | str
) -> VoteOutcome:
    """Vote: the same kind again takes the vote back, another kind replaces it.

    Needs a `Store.write()` session. Raises UnknownResultError for a result that is gone and
    ValueError for an unknown kind.
    """
    kind = VoteKind(kind)
    # The row lock does on PostgreSQL what BEGIN IMMEDIATE does on SQLite (which has no FOR UPDATE
    # and ignores it): a second cast on this result waits here and then sees the first one.
    known = select(Result.id).where(Result.id == result_id).with_for_update()
    if await session.scalar(known) is None:
        raise UnknownResultError(f"result {result_id} is gone")

    own = select(Vote).where(Vote.result_id == result_id, Vote.user_id == user_id)
    vote = await session.scalar(own)
    if vote is None:
        session.add(Vote(result_id=result_id, user_id=user_id, kind=kind))
        outcome = VoteOutcome.COUNTED
    elif vote.kind == kind:
        await session.delete(vote)
        outcome = VoteOutcome.WITHDRAWN
    else:
        vote.kind = kind
        outcome = VoteOutcome.CHANGED
    await session.flush()
    return outcome


async def tallies(session: AsyncSession, result_ids: Collection[int]) -> dict[int, Tally]:
    """Count the votes on each of the results, by kind, in one query."""
    counts: dict[int, Tally] = {result_id: dict.fromkeys(VoteKind, 0) for result_id in result_ids}
    query = (
        select(Vote.result_id, Vote.kind, func.count())
        .where(Vote.result_id.in_(result_ids))
        .group_by(Vote.result_id, Vote.kind)
    )
    for result_id, kind, count in await session.execute(query):
        counts[result_id][kind] = count
    return counts
