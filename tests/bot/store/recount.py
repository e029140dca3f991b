"""The same numbers once more, from the plain tables, by other means than the store's queries."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path


def rows(file: Path, query: str) -> list[tuple]:
    with sqlite3.connect(file) as connection:
        return connection.execute(query).fetchall()


class Recount:
    """Reads everything and counts in Python."""

    def __init__(self, file: Path, guild: int) -> None:
        self.drawings = {
            row[0]: row
            for row in rows(
                file,
                "select id, author_id, channel_id, created_at, age_restricted, guild_id "
                "from drawings where card_message_id is not null",
            )
            if row[5] == guild
        }
        self.results = {
            row[0]: row
            for row in rows(file, "select id, drawing_id, title, encoder, rank from results")
            if row[1] in self.drawings
        }
        self.votes = [
            row
            for row in rows(file, "select result_id, user_id, kind, created_at from votes")
            if row[0] in self.results
        ]

    def artist(self, result: int) -> int:
        return self.drawings[self.results[result][1]][1]

    def counts(self, *, own: bool) -> dict[int, Counter[str]]:
        found: dict[int, Counter[str]] = defaultdict(Counter)
        for result, user, kind, _ in self.votes:
            if own or user != self.artist(result):
                found[result][kind] += 1
        return found

    def hall(self, board: str, since: str, channels: set[int], *, restricted: bool) -> list[int]:
        ranked = []
        for result, count in self.counts(own=False).items():
            _, _, channel, created, age, _ = self.drawings[self.results[result][1]]
            if channel not in channels or created < since or (age and not restricted):
                continue
            good, miss, funny = count["good"], count["miss"], count["funny"]
            if board == "funniest" and funny:
                ranked.append((-funny, -good, result))
            elif board == "best" and good:
                ranked.append((-lower(good, good + miss), -funny, result))
            elif board == "worst" and miss:
                ranked.append((-lower(miss, good + miss), -funny, result))
        return [result for *_, result in sorted(ranked)[:50]]

    def failures(self) -> set[int]:
        return {
            result
            for result, count in self.counts(own=True).items()
            if count["miss"] and lower(count["miss"], count["good"] + count["miss"]) >= 0.5
        }

    def artists(self) -> list[tuple[int, int, int]]:
        points: Counter[int] = Counter()
        drawn = defaultdict(set)
        for result, user, kind, _ in self.votes:
            artist = self.artist(result)
            if user != artist and kind != "miss":
                points[artist] += 1
                drawn[artist].add(self.results[result][1])
        return sorted(
            ((user, n, len(drawn[user])) for user, n in points.items()), key=lambda p: (-p[1], p[0])
        )

    def voters(self) -> list[tuple[int, int]]:
        given = Counter(user for result, user, *_ in self.votes if user != self.artist(result))
        return sorted(given.items(), key=lambda p: (-p[1], p[0]))


def lower(successes: int, trials: int, z: float = 1.645) -> float:
    """The one-sided Wilson bound, solved from the score test by bisection."""
    low, high = 0.0, successes / trials
    for _ in range(60):
        middle = (low + high) / 2
        spread = math.sqrt(middle * (1 - middle) / trials)
        if successes / trials - middle > z * spread:
            low = middle
        else:
            high = middle
    return high
