"""Two hundred people vote on one card at once: all are counted and shown, whatever dies or fails.

:mod:`tests.end_to_end.crowd` is who votes, and the process that is killed.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.settings import Settings
from bot.store import drawings as stored_drawings
from bot.ui.result_card import DRAWING_FILE, ResultCard
from tests.acting import EditsHeldUp, buttons, together
from tests.bot.store.recount import rows
from tests.conftest import ROOT, World, open_world
from tests.end_to_end import crowd

DATABASE = "magic-pencil.db"
Said = tuple[int, int, str, str]  # result, user, kind, outcome


# Killed


@pytest.mark.parametrize("confirmations", [5, 60, 150])
async def test_every_confirmed_vote_is_there_after_a_kill(
    worker, settings, tmp_path, confirmations
):
    file = settings.home / DATABASE
    voters, confirmed = await asyncio.to_thread(
        _vote_until_killed, settings.home, worker.socket, confirmations
    )
    assert confirmations <= len(confirmed) < len(crowd.taps())

    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert rows(file, "PRAGMA foreign_key_check") == []
    kept = rows(file, "select result_id, user_id, kind from votes")
    votes = {(result, user): kind for result, user, kind in kept}
    assert len(votes) == len(kept)

    said = defaultdict(list)
    for result, user, kind, outcome in confirmed:
        said[result, user].append((kind, outcome))
    tapped = _tapped(file, voters)
    assert votes.keys() | said.keys() <= tapped.keys()
    for one, kinds in tapped.items():
        vote = None
        for kind, outcome in said[one]:
            vote, expected = _after(vote, kind)
            assert outcome == expected
        # Taps that were not answered may have been counted or not.
        unanswered = list((Counter(kinds) - Counter(kind for kind, _ in said[one])).elements())
        possible = {_after_all(vote, some) for some in _some_of(unanswered)}
        assert votes.get(one) in possible

    async with open_world(settings, own_worker=False) as w:
        card = await _post_again(w)
        before = _stored(file)
        assert _shown(card) == before
        assert before.total() == len(votes)
        funny = next(custom_id for custom_id in buttons(card) if custom_id.endswith(":funny"))
        await w.mia.click(card, custom_id=funny)
        assert _stored(file) - before == Counter({funny: 1})
        assert _shown(w.channel.last_message) == _stored(file)


def _vote_until_killed(
    home: Path, socket: Path, confirmations: int
) -> tuple[list[int], list[Said]]:
    """Let the crowd vote in a process of its own, and kill it after so many confirmations."""
    command = [sys.executable, "-m", "tests.end_to_end.crowd", str(home), str(socket)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        voters = _numbers(next(process.stdout), "voters")
        said = list(itertools.islice(process.stdout, confirmations))
        process.send_signal(signal.SIGKILL)
        said += process.stdout  # what it had said before it died
        process.wait(10)
    assert process.returncode == -signal.SIGKILL
    return voters, [_confirmation(line) for line in said if line.endswith("\n")]


def _numbers(line: str, word: str) -> list[int]:
    said, *numbers = line.split()
    assert said == word
    return [int(number) for number in numbers]


def _confirmation(line: str) -> Said:
    word, result, user, kind, outcome = line.split()
    assert word == "confirmed"
    return int(result), int(user), kind, outcome


def _after(vote: str | None, kind: str) -> tuple[str | None, str]:
    """Return what a tap makes of a vote, and what that is called."""
    if vote is None:
        return kind, "counted"
    return (None, "withdrawn") if vote == kind else (kind, "changed")


def _after_all(vote: str | None, kinds: Iterable[str]) -> str | None:
    for kind in kinds:
        vote, _ = _after(vote, kind)
    return vote


def _some_of(kinds: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield every way in which none, some or all taps may have been counted, in any order."""
    return itertools.chain.from_iterable(
        itertools.permutations(kinds, some) for some in range(len(kinds) + 1)
    )


def _tapped(file: Path, voters: Sequence[int]) -> dict[tuple[int, int], list[str]]:
    """Return what the crowd tapped: kinds by result and user."""
    results = [result for (result,) in rows(file, "select id from results order by rank")]
    tapped = defaultdict(list)
    for tap in crowd.taps():
        tapped[results[tap.rank - 1], voters[tap.member]].append(tap.kind.value)
    return tapped


def _stored(file: Path) -> Counter[str]:
    """Count the votes in the database by the button that they were given with."""
    counted = rows(file, "select result_id, kind, count(*) from votes group by 1, 2")
    return Counter({f"mp:v1:vote:{result}:{kind}": number for result, kind, number in counted})


def _shown(card: Any) -> Counter[str]:
    """Return the numbers on a card's vote buttons."""
    labels = {custom_id: label for custom_id, label in buttons(card).items() if "vote" in custom_id}
    assert len(labels) == 15
    return Counter(
        {
            custom_id: int(label.split(" · ")[1])
            for custom_id, label in labels.items()
            if "·" in label
        }
    )


async def _post_again(w: World) -> Any:
    """Let a new bot post the card; the simulated Discord died with the old one."""
    async with w.services.store.read() as session:
        card = await stored_drawings.load_card(session, 1)
    assert card is not None
    picture = io.BytesIO(w.services.drawing_files.read(card.drawing.sha256))
    return await w.bot.get_channel(w.channel.id).send(
        view=ResultCard(card, with_photos=frozenset()),
        files=[discord.File(picture, DRAWING_FILE)],
    )


# Not killed


async def test_two_hundred_at_once_are_all_counted_and_shown_with_few_edits(world, settings):
    file = settings.home / DATABASE
    async with world as w:
        card, members = await crowd.gather(w)
        before = len(w.env.http_requests)
        with EditsHeldUp(w.env) as held:  # Discord is slower than the database
            await crowd.tap_all(w, card, members, crowd.taps())
            held.go.set()
            await crowd.until_all_are_answered()
        kept = rows(file, "select result_id, user_id, kind from votes")
        votes = {(result, user): kind for result, user, kind in kept}
        assert len(votes) == len(kept)
        tapped = _tapped(file, [member.id for member in members])
        assert votes.keys() <= tapped.keys()
        for one, kinds in tapped.items():
            assert votes.get(one) in {
                _after_all(None, order) for order in itertools.permutations(kinds)
            }
        assert _shown(card) == _stored(file)
        edits = _edits(w, before)
        print(f"{len(crowd.taps())} taps, {edits} edits of the card")
        assert 2 <= edits <= 3  # what came during the first is shown by the second


async def test_the_card_is_right_too_when_discord_is_fast(world, settings):
    async with world as w:
        card, members = await crowd.gather(w)
        await crowd.tap_all(w, card, members, crowd.taps()[:60])
        await crowd.until_all_are_answered()
        assert _shown(card) == _stored(settings.home / DATABASE)


async def test_when_an_edit_fails_the_next_in_line_shows_all_votes(world, settings):
    async with world as w:
        card, members = await crowd.gather(w)
        before = len(w.env.http_requests)
        with EditsHeldUp(w.env) as held:
            told = await _vote(w, card, members[:20], settings)
            held.go.set()
            while not _edits(w, before):
                await asyncio.sleep(0)
            # The first edit, of one vote, is done; this is for the one that shows all others.
            w.env.inject_error("PATCH", "/webhooks/*/messages/*", status=500)
            await crowd.until_all_are_answered()
        assert _edits(w, before) == 3
        assert _shown(card) == Counter({_favourite(card): 20})
        # Only whose edit failed is told in private that the vote counts.
        assert sum(len(result.followups) for result in told) == 1


async def test_when_discord_wants_no_edits_everybody_is_told_that_their_vote_counts(
    world, settings
):
    async with world as w:
        card, members = await crowd.gather(w)
        before = len(w.env.http_requests)
        with EditsHeldUp(w.env) as held:
            w.env.inject_error(
                "PATCH", "/webhooks/*/messages/*", status=429, code=30046, times=None
            )
            told = await _vote(w, card, members[:20], settings)
            held.go.set()
            await crowd.until_all_are_answered()
        assert _edits(w, before) <= 4  # it is not asked again for each of them
        for result in told:
            (note,) = result.followups
            assert note.ephemeral
            assert "Good match: counted" in note.content
        assert _shown(card) == Counter()
        w.env.backend.faults.clear()
        await w.mia.click(card, custom_id=_favourite(card))
        assert _shown(card) == Counter({_favourite(card): 21})


async def test_when_whoever_edits_is_cancelled_the_next_in_line_shows_all_votes(world, settings):
    async with world as w:
        card, members = await crowd.gather(w)
        with EditsHeldUp(w.env) as held:
            await _vote(w, card, members[:20], settings)
            (editing,) = held.tasks
            in_line = [t for t in asyncio.all_tasks() if t.get_name() == editing.get_name()]
            in_line.remove(editing)
            assert len(in_line) == 19
            for task in (editing, *in_line[:18]):
                task.cancel()
            await asyncio.sleep(0)
            held.go.set()
            await crowd.until_all_are_answered()
        assert _shown(card) == Counter({_favourite(card): 20})
        await w.mia.click(card, custom_id=_favourite(card))
        assert _shown(card) == Counter({_favourite(card): 21})


async def _vote(w: World, card: Any, members: Sequence[Any], settings: Settings) -> list[Any]:
    """Let members vote the same at once, until all are counted; no edit is done by then."""
    with together(w.env):
        told = [await member.click(card, custom_id=_favourite(card)) for member in members]
    async with asyncio.timeout(20):
        while _stored(settings.home / DATABASE) != Counter({_favourite(card): len(members)}):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)  # until the last of them stand in line
    return told


def _favourite(card: Any) -> str:
    return next(custom_id for custom_id in buttons(card) if custom_id.endswith(":good"))


def _edits(w: World, since: int) -> int:
    return sum(request.method == "PATCH" for request in w.env.http_requests[since:])
