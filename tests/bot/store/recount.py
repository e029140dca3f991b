"""The same numbers once more, from the plain tables, by other means than the store's queries."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter, defaultdict
from functools import cache
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
        self._counts: dict[bool, dict[int, Counter[str]]] = {}

    def artist(self, result: int) -> int:
        return self.drawings[self.results[result][1]][1]

    def counts(self, *, own: bool) -> dict[int, Counter[str]]:
        if own not in self._counts:
            found: dict[int, Counter[str]] = defaultdict(Counter)
            for result, user, kind, _ in self.votes:
                if own or user != self.artist(result):
                    found[result][kind] += 1
            self._counts[own] = found
        return self._counts[own]

    def shown(self, result: int, channels: set[int], *, restricted: bool) -> bool:
        _, _, channel, _, age, _ = self.drawings[self.results[result][1]]
        return channel in channels and (restricted or not age)

    def hall(self, board: str, since: str, channels: set[int], *, restricted: bool) -> list[int]:
        ranked = []
        for result, count in self.counts(own=False).items():
            if not self.shown(result, channels, restricted=restricted):
                continue
            if self.drawings[self.results[result][1]][3] < since:
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

    def contested(self, channels: set[int], *, restricted: bool) -> list[int]:
        """Results that people disagree about, those first where the smaller side is largest."""
        sides = {
            result: (count["good"], count["miss"])
            for result, count in self.counts(own=False).items()
            if count["good"]
            and count["miss"]
            and self.shown(result, channels, restricted=restricted)
        }
        return sorted(sides, key=lambda r: (-min(sides[r]), abs(sides[r][0] - sides[r][1]), r))

    def by_day(self) -> Counter[tuple[str, str]]:
        return Counter((at[:10], kind) for *_, kind, at in self.votes)

    def encoders(self) -> list[tuple[str, int, int]]:
        """Each encoder with the drawings it has something right for, and those judged."""
        right: dict[str, dict[int, bool]] = {}
        for result, count in sorted(self.counts(own=True).items()):
            _, drawing, _, encoder, _ = self.results[result]
            if count["good"] + count["miss"]:
                of = right.setdefault(encoder, {})
                of[drawing] = of.get(drawing, False) or count["good"] > count["miss"]
        return [(encoder, sum(of.values()), len(of)) for encoder, of in right.items()]

    def hardest(self) -> list[tuple[str, int, int]]:
        """Titles without their numbers, with misses and votes for or against, the hardest first."""
        misses: Counter[str] = Counter()
        judged: Counter[str] = Counter()
        for result, count in self.counts(own=True).items():
            title = self.results[result][2].rstrip("0123456789").rstrip()
            misses[title] += count["miss"]
            judged[title] += count["good"] + count["miss"]
        enough = [title for title in judged if judged[title] >= 5]
        ranked = sorted(enough, key=lambda t: (-round(lower(misses[t], judged[t], 1.96), 9), t))
        return [(title, misses[title], judged[title]) for title in ranked[:8]]

    def deeds(self, user: int) -> dict[str, int]:
        """What a member did and got: drawings, votes, good, funny."""
        got = Counter(
            kind
            for result, voter, kind, _ in self.votes
            if self.artist(result) == user and voter != user
        )
        drawn = sum(row[1] == user for row in self.drawings.values())
        return {
            "drawings": drawn,
            "votes": dict(self.voters()).get(user, 0),
            "good": got["good"],
            "funny": got["funny"],
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


@cache
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
