"""Who and what stands out in a server: the hall of fame, the leaderboard, a person's deeds.

In all of it the artist's own vote does not count. Everything is counted from the votes each time.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store import tallies
from bot.store.models import Drawing, Result, Vote, VoteKind
from bot.store.verdicts import wilson

MOST = 50  # entries of a hall of fame


class Board(StrEnum):
    """What a hall of fame is about."""

    FUNNIEST = "funniest"
    BEST = "best"
    WORST = "worst"


@dataclass(frozen=True, slots=True)
class Counts:
    """Votes on one photo, without the artist's own."""

    good: int = 0
    miss: int = 0
    funny: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One photo found for one drawing, and what people say of it."""

    drawing: Drawing
    result: Result
    counts: Counts


@dataclass(frozen=True, slots=True)
class Shown:
    """Which drawings may be shown at a place: those of these channels, and of which age."""

    channels: Collection[int]
    age_restricted: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A person's place on a leaderboard."""

    user_id: int
    points: int
    drawings: int = 0


@dataclass(frozen=True, slots=True)
class Deeds:
    """What a person did in a server, and what others thought of it."""

    drawings: int
    votes: int
    good: int
    funny: int


async def ranked(
    session: AsyncSession, guild_id: int, board: Board, since: datetime | None, shown: Shown
) -> list[int]:
    """Return the ids of the results in a hall of fame, best first, at most MOST.

    Funniest by the number of such votes; best and worst by the lower Wilson bound of the share of
    good matches or misses, so that one vote of one does not beat nine of ten.
    """
    counted = tallies.by_result(guild_id, own=False)
    query = _shown(
        select(counted).join(Result, Result.id == counted.c.result_id).join(Drawing), shown
    )
    if since is not None:
        query = query.where(Drawing.created_at >= since)
    if board is Board.FUNNIEST:
        order = (counted.c.funny.desc(), counted.c.good.desc(), counted.c.result_id)
        query = query.where(counted.c.funny > 0).order_by(*order).limit(MOST)
        return [row.result_id for row in await session.execute(query)]
    wanted = counted.c.good if board is Board.BEST else counted.c.miss
    rows = (await session.execute(query.where(wanted > 0))).all()
    scored = []
    for row in rows:
        hits = row.good if board is Board.BEST else row.miss
        scored.append((-wilson(hits, row.good + row.miss)[0], -row.funny, row.result_id))
    return [result_id for *_, result_id in sorted(scored)[:MOST]]


def _shown(query: Select[Any], shown: Shown) -> Select[Any]:
    query = query.where(
        Drawing.channel_id.in_(shown.channels), Drawing.card_message_id.is_not(None)
    )
    if not shown.age_restricted:
        query = query.where(or_(Drawing.age_restricted.is_(None), ~Drawing.age_restricted))
    return query


async def entry(session: AsyncSession, result_id: int) -> Entry | None:
    """Return one photo with its counts, None when it is gone."""
    query = (
        select(
            Result,
            Drawing,
            tallies.of(VoteKind.GOOD),
            tallies.of(VoteKind.MISS),
            tallies.of(VoteKind.FUNNY),
        )
        .join(Drawing, Drawing.id == Result.drawing_id)
        .outerjoin(Vote, and_(Vote.result_id == Result.id, Vote.user_id != Drawing.author_id))
        .where(Result.id == result_id)
        .group_by(Result.id, Drawing.id)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    result, drawing, *counts = row
    return Entry(drawing, result, Counts(*(count or 0 for count in counts)))


async def artists(session: AsyncSession, guild_id: int, limit: int) -> Sequence[Standing]:
    """Return whose drawings others said good match or funny of most often."""
    points = func.count()
    query = (
        select(Drawing.author_id, points, func.count(Drawing.id.distinct()))
        .join(Result, Result.drawing_id == Drawing.id)
        .join(Vote, Vote.result_id == Result.id)
        .where(
            Drawing.guild_id == guild_id,
            Vote.user_id != Drawing.author_id,
            Vote.kind != VoteKind.MISS,
        )
        .group_by(Drawing.author_id)
        .order_by(points.desc(), Drawing.author_id)
        .limit(limit)
    )
    return [Standing(*row) for row in await session.execute(query)]


async def voters(session: AsyncSession, guild_id: int, limit: int) -> Sequence[Standing]:
    """Return who voted most often on other people's drawings."""
    votes = func.count()
    query = (
        select(Vote.user_id, votes)
        .join(Result, Result.id == Vote.result_id)
        .join(Drawing, Drawing.id == Result.drawing_id)
        .where(Drawing.guild_id == guild_id, Vote.user_id != Drawing.author_id)
        .group_by(Vote.user_id)
        .order_by(votes.desc(), Vote.user_id)
        .limit(limit)
    )
    return [Standing(*row) for row in await session.execute(query)]


async def contested(
    session: AsyncSession, guild_id: int, shown: Shown, limit: int
) -> Sequence[int]:
    """Return the results that most people disagree about: the smaller side is the largest."""
    counted = tallies.by_result(guild_id, own=False)
    good, miss = counted.c.good, counted.c.miss
    smaller = case((good < miss, good), else_=miss)
    query = _shown(
        select(counted.c.result_id)
        .join(Result, Result.id == counted.c.result_id)
        .join(Drawing)
        .where(smaller > 0)
        .order_by(smaller.desc(), func.abs(good - miss), counted.c.result_id)
        .limit(limit),
        shown,
    )
    return list((await session.scalars(query)).all())


async def deeds(session: AsyncSession, guild_id: int, user_id: int) -> Deeds:
    """Count what a person did in a server."""
    drawn = select(func.count()).where(Drawing.guild_id == guild_id, Drawing.author_id == user_id)
    voted = (
        select(func.count())
        .select_from(Vote)
        .join(Result, Result.id == Vote.result_id)
        .join(Drawing, Drawing.id == Result.drawing_id)
        .where(Drawing.guild_id == guild_id, Vote.user_id == user_id, Drawing.author_id != user_id)
    )
    received = (
        select(tallies.of(VoteKind.GOOD), tallies.of(VoteKind.FUNNY))
        .join(Result, Result.id == Vote.result_id)
        .join(Drawing, Drawing.id == Result.drawing_id)
        .where(Drawing.guild_id == guild_id, Drawing.author_id == user_id, Vote.user_id != user_id)
    )
    good, funny = (await session.execute(received)).one()
    return Deeds(
        await session.scalar(drawn) or 0, await session.scalar(voted) or 0, good or 0, funny or 0
    )
