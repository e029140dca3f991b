"""A server's votes in figures: over time, by encoder, and what is hardest to draw."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store import tallies
from bot.store.models import Drawing, Result, Vote, VoteKind
from bot.store.verdicts import Z_BOTH_SIDES, wilson

DAYS = 30
_FEWEST_VOTES = 5  # for or against a thing, before it is called hard
_HARDEST = 8
_NUMBERED = re.compile(r"[\s#(_-]*\d+\)?$")


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % Wilson interval, and what it is of."""

    name: str
    share: float
    low: float
    high: float
    judged: int


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """What /stats shows."""

    days: tuple[date, ...]
    votes: dict[VoteKind, tuple[int, ...]]  # by day
    encoders: tuple[Share, ...]
    hardest: tuple[Share, ...]
    drawings: int
    all_votes: int


async def of_server(session: AsyncSession, guild_id: int, today: date) -> ServerStatistics:
    """Count a server's votes of the last DAYS days and of all time."""
    days = tuple(today - timedelta(days=back) for back in reversed(range(DAYS)))
    drawn = select(func.count()).where(Drawing.guild_id == guild_id)
    counts = await _by_day(session, guild_id, days[0])
    rows = await _judged(session, guild_id)
    voted = (
        select(func.count())
        .select_from(Vote)
        .join(Result, Result.id == Vote.result_id)
        .join(Drawing, Drawing.id == Result.drawing_id)
        .where(Drawing.guild_id == guild_id)
    )
    return ServerStatistics(
        days,
        {kind: tuple(counts[day, kind] for day in days) for kind in VoteKind},
        _by_encoder(rows),
        _hardest(rows),
        await session.scalar(drawn) or 0,
        await session.scalar(voted) or 0,
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    drawing_id: int
    encoder: str
    title: str
    good: int
    miss: int


async def _by_day(
    session: AsyncSession, guild_id: int, first: date
) -> Counter[tuple[date, VoteKind]]:
    day = func.date(Vote.created_at)
    query = (
        select(day, Vote.kind, func.count())
        .join(Result, Result.id == Vote.result_id)
        .join(Drawing, Drawing.id == Result.drawing_id)
        .where(Drawing.guild_id == guild_id, day >= first.isoformat())
        .group_by(day, Vote.kind)
    )
    counts: Counter[tuple[date, VoteKind]] = Counter()
    for on, kind, count in await session.execute(query):
        counts[_date(on), kind] = count
    return counts


def _date(value: str | date) -> date:
    """SQLite has no dates and returns text."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value)


async def _judged(session: AsyncSession, guild_id: int) -> Sequence[_Judged]:
    counted = tallies.by_result(guild_id, own=True)
    query = (
        select(Result.drawing_id, Result.encoder, Result.title, counted.c.good, counted.c.miss)
        .join(counted, counted.c.result_id == Result.id)
        .where(counted.c.good + counted.c.miss > 0)
    )
    return [_Judged(*row) for row in await session.execute(query)]


def _by_encoder(rows: Sequence[_Judged]) -> tuple[Share, ...]:
    """Of the drawings voted on: where did more people say good than miss of one photo at least?"""
    hit: dict[str, dict[int, bool]] = defaultdict(dict)
    for row in rows:
        drawings = hit[row.encoder]
        drawings[row.drawing_id] = drawings.get(row.drawing_id, False) or row.good > row.miss
    return tuple(
        _share(encoder, sum(drawings.values()), len(drawings))
        for encoder, drawings in sorted(hit.items(), key=lambda pair: min(pair[1]))  # as they came
    )


def _hardest(rows: Sequence[_Judged]) -> tuple[Share, ...]:
    """The titles that were called a miss most often when they were found, numbers left off."""
    votes: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        seen = votes[_NUMBERED.sub("", row.title) or row.title]
        seen[0] += row.miss
        seen[1] += row.good + row.miss
    shares = [
        _share(title, miss, judged)
        for title, (miss, judged) in votes.items()
        if judged >= _FEWEST_VOTES
    ]
    return tuple(sorted(shares, key=lambda one: (-one.low, one.name))[:_HARDEST])


def _share(name: str, successes: int, trials: int) -> Share:
    low, high = wilson(successes, trials, Z_BOTH_SIDES)
    return Share(name, successes / trials, low, high, trials)
