"""A month of a busy server, made by a seed: drawings, what was found for them, and votes.

Rows are written in bulk, as the bot would have written them one by one. What is drawn and found is
the caller's: real pictures for a measurement, names alone for a test of counting.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from sqlalchemy import insert

from bot.store import Store
from bot.store.models import Drawing, DrawingSource, Result, Vote, VoteKind

DAYS = 30


@dataclass(frozen=True, slots=True)
class Found:
    """A drawing's file and the photos found for it: (photo_id, title), best first."""

    sha256: str
    photos: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Month:
    """How much happens in it, and where."""

    guild_id: int
    channels: Sequence[int]
    members: Sequence[int]
    drawings: int
    votes: int
    now: datetime
    seed: int = 0
    restricted: frozenset[int] = frozenset()  # channels with an age limit
    before: int = 0  # drawings that are in the database already, each with five photos


async def live_through(store: Store, month: Month, found: Sequence[Found]) -> None:
    """Write a month's rows."""
    chance = random.Random(month.seed)
    drawings, results = _drawn(chance, month, found)
    votes = _votes(chance, month, drawings, results)
    async with store.write() as session:
        for table, rows in ((Drawing, drawings), (Result, results), (Vote, votes)):
            await session.execute(insert(table), rows)


def _drawn(
    chance: random.Random, month: Month, found: Sequence[Found]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    drawings: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    ids = count(5 * month.before + 1)
    for number in range(1, month.drawings + 1):
        drawing_id = month.before + number
        one = chance.choice(found)
        channel = chance.choice(month.channels)
        age = timedelta(days=DAYS * (1 - number / (month.drawings + 1)))
        drawings.append(
            {
                "id": drawing_id,
                "sha256": one.sha256,
                "author_id": chance.choice(month.members),
                "guild_id": month.guild_id,
                "channel_id": channel,
                "source": DrawingSource.SLASH,
                "content_type": "image/png",
                "size_bytes": 1000,
                "created_at": month.now - age,
                "card_channel_id": channel,
                "card_message_id": 10**18 + drawing_id,
                "age_restricted": channel in month.restricted,
            }
        )
        encoder = "old@00000000" if number < month.drawings / 2 else "new@11111111"
        results += [
            {
                "id": next(ids),
                "drawing_id": drawing_id,
                "rank": rank,
                "photo_id": photo_id,
                "collection": "shared",
                "title": title,
                "credit": "",
                "score": 0.9 - rank / 10,
                "generation": "g",
                "encoder": encoder,
            }
            for rank, (photo_id, title) in enumerate(one.photos, start=1)
        ]
    return drawings, results


def _votes(
    chance: random.Random,
    month: Month,
    drawings: Sequence[dict[str, object]],
    results: Sequence[dict[str, object]],
) -> list[dict[str, object]]:
    """A few results get most of the votes; each has a quality that people mostly agree on."""
    quality = [chance.betavariate(0.6, 0.8) for _ in results]
    popular = [chance.paretovariate(1.2) for _ in results]
    cast: dict[tuple[int, int], dict[str, object]] = {}
    while len(cast) < month.votes:
        for place in chance.choices(range(len(results)), popular, k=month.votes - len(cast)):
            result = results[place]
            posted = drawings[int(str(result["drawing_id"])) - month.before - 1]["created_at"]
            assert isinstance(posted, datetime)
            kind = VoteKind.GOOD if chance.random() < quality[place] else VoteKind.MISS
            if chance.random() < 0.2:
                kind = VoteKind.FUNNY
            at = posted + (month.now - posted) * chance.random()
            user, result_id = chance.choice(month.members), int(str(result["id"]))
            cast[result_id, user] = {
                "result_id": result_id,
                "user_id": user,
                "kind": kind,
                "created_at": at,
                "updated_at": at,
            }
    return list(cast.values())


def some_month(**changes: object) -> Month:
    """A small month, for tests of counting."""
    chosen: dict[str, object] = {
        "guild_id": 77,
        "channels": (1, 2, 3),
        "members": range(100, 130),
        "drawings": 60,
        "votes": 900,
        "now": datetime(2026, 11, 20, 12, tzinfo=UTC),
    }
    return Month(**(chosen | changes))  # type: ignore[arg-type]


NAMES = [
    Found(f"{n:064x}", [(f"{n * 5 + rank:064x}", f"Thing {n} {rank}") for rank in range(5)])
    for n in range(12)
]
