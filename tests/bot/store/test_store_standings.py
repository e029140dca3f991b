"""Standings, statistics and failures equal a plain recount of the votes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from bot.store import Store, failures, standings, statistics
from bot.store.models import VoteKind
from bot.store.standings import Board, Shown
from bot.store.verdicts import verdict, wilson
from tests.bot.store.recount import Recount, lower
from tests.simulated_month import NAMES, Month, live_through, some_month


@pytest.fixture
def month() -> Month:
    return some_month(restricted=frozenset({3}))


@pytest.fixture
async def recount(store: Store, tmp_path: Path, month: Month) -> Recount:
    await live_through(store, month, NAMES)
    await live_through(store, some_month(guild_id=78, seed=1, before=month.drawings), NAMES)
    return Recount(tmp_path / "store.db", month.guild_id)


@pytest.mark.parametrize("board", Board)
@pytest.mark.parametrize("days", [7, 30, None])
@pytest.mark.parametrize(("channels", "restricted"), [((1, 2, 3), True), ((1, 3), False)])
async def test_a_hall_of_fame_is_ranked_as_a_recount_ranks_it(
    store, recount, month, board, days, channels, restricted
):
    since = month.now - timedelta(days=days) if days else None
    async with store.read() as session:
        ranked = await standings.ranked(
            session, month.guild_id, board, since, Shown(channels, restricted)
        )
    stored = since.replace(tzinfo=None).isoformat(sep=" ") if since else ""
    assert ranked == recount.hall(board, stored, set(channels), restricted=restricted)
    assert len(ranked) > 5


async def test_an_entry_leaves_out_the_artists_own_vote(store, recount, month):
    own = next(r for r, user, *_ in recount.votes if user == recount.artist(r))
    async with store.read() as session:
        entry = await standings.entry(session, own)
        assert await standings.entry(session, 10**9) is None
    counts = recount.counts(own=False).get(own, Counter())
    assert entry is not None
    assert entry.counts == standings.Counts(counts["good"], counts["miss"], counts["funny"])


async def test_artists_and_voters_are_ranked_as_a_recount_ranks_them(store, recount, month):
    async with store.read() as session:
        artists = await standings.artists(session, month.guild_id, 10)
        voters = await standings.voters(session, month.guild_id, 10)
        deeds = await standings.deeds(session, month.guild_id, artists[0].user_id)
    assert [(a.user_id, a.points, a.drawings) for a in artists] == recount.artists()[:10]
    assert [(v.user_id, v.points) for v in voters] == recount.voters()[:10]
    best = artists[0].user_id
    assert deeds.good + deeds.funny == artists[0].points
    assert deeds.drawings == sum(row[1] == best for row in recount.drawings.values())
    assert deeds.votes == dict(recount.voters()).get(best, 0)


async def test_the_most_contested_have_the_largest_smaller_side(store, recount, month):
    async with store.read() as session:
        shown = Shown((1, 2, 3), age_restricted=True)
        contested = await standings.contested(session, month.guild_id, shown, 5)
    assert contested == recount.contested({1, 2, 3}, restricted=True)[:5]
    assert len(contested) == 5


async def test_failures_are_those_that_a_recount_calls_so(store, recount, month):
    async with store.read() as session:
        total = await failures.count(session, month.guild_id)
        listed = await failures.page(session, month.guild_id, None, 0, 1000)
    assert {one.result.id for one in listed} == recount.failures()
    assert total == len(listed) > 5
    order = [(-one.drawing.id, one.result.rank) for one in listed]
    assert order == sorted(order)


async def test_statistics_equal_a_recount(store, recount, month):
    async with store.read() as session:
        found = await statistics.of_server(session, month.guild_id, month.now.date())
    by_day = recount.by_day()
    for kind in VoteKind:
        expected = [by_day[day.isoformat(), kind.value] for day in found.days]
        assert list(found.votes[kind]) == expected
    assert found.all_votes == len(recount.votes)
    assert found.drawings == len(recount.drawings)
    assert [(one.name, one.share, one.judged) for one in found.encoders] == [
        (encoder, hits / judged, judged) for encoder, hits, judged in recount.encoders()
    ]
    assert [(one.name, one.share, one.judged) for one in found.hardest] == [
        (title, misses / judged, judged) for title, misses, judged in recount.hardest()
    ]


@pytest.mark.parametrize(
    ("good", "miss", "judged"),
    [
        (0, 2, "undecided"),
        (0, 3, "failure"),
        (1, 5, "undecided"),
        (1, 6, "failure"),
        (3, 0, "good"),
        (50, 50, "undecided"),
        (0, 0, "undecided"),
    ],
)
def test_a_photo_is_judged_only_when_the_votes_can_tell(good, miss, judged):
    assert verdict(good, miss) == judged


def test_the_rule_without_a_root_is_the_wilson_bound():
    for trials in range(1, 60):
        for misses in range(trials + 1):
            assert wilson(misses, trials)[0] == pytest.approx(lower(misses, trials), abs=1e-9)
            failed = verdict(trials - misses, misses) == "failure"
            assert failed == (lower(misses, trials) >= 0.5)
