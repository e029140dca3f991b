"""A drawing in, photos out, votes kept: whatever dies on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.settings import Settings
from bot.store.models import Drawing, Result, Vote
from retrieval import library
from tests import drawings
from tests.acting import LoopWatch, buttons, pictures, texts, together
from tests.conftest import COLLECTION, World, build_index, open_world, wait_ready

FISH = ("fish.png", drawings.render_png("fish"))
LONGEST_PAUSE = 0.050  # seconds
MUG = ("mug.png", drawings.render_png("mug"))


@pytest.fixture
def own(tmp_path: Path, pictures: Path) -> Settings:
    """Settings of a bot that starts its own worker."""
    settings = Settings(home=tmp_path / "home", device="cpu", discord_token=None)
    library.register(settings.data, COLLECTION, pictures)
    return settings


@asynccontextmanager
async def _running(settings: Settings):
    async with open_world(settings, own_worker=True) as w:
        await wait_ready(settings.worker_socket)
        await build_index(settings.worker_socket)
        yield w


async def _count(w: World, what: type) -> int:
    async with w.services.store.read() as session:
        return await session.scalar(select(func.count()).select_from(what))


async def test_from_an_empty_folder_to_votes_that_survive_the_death_of_everything(own):
    async with _running(own) as w:
        card = (await w.mia.slash(w.channel, "match", drawing=FISH)).response
        funny = [key for key in buttons(card) if key.endswith(":funny")]
        with together(w.env):
            await w.mia.click(card, custom_id=funny[0])
            await w.ben.click(card, custom_id=funny[0])
        await w.env.settle()
        assert buttons(card)[funny[0]] == "Funny · 2"

        await w.restart()
        await w.moderator.click(card, custom_id=funny[0])
        assert buttons(card)[funny[0]] == "Funny · 3"
        first = await w.services.retrieval.match(FISH[1], (COLLECTION,))

    # A new process would find the same folder.
    async with open_world(own, own_worker=True) as w:
        assert await _count(w, Vote) == 3
        assert await _count(w, Drawing) == 1
        again = await w.services.retrieval.match(FISH[1], (COLLECTION,))
        assert again.generation == first.generation
        assert [m.photo for m in again.matches] == [m.photo for m in first.matches]


async def test_worker_killed_during_a_match_is_told_within_2_seconds_and_the_next_drawing_works(
    own,
):
    async with _running(own) as w:
        await w.services.retrieval.health()  # connected, as a bot that has answered before
        supervisor = w.services.supervisor
        killed = supervisor.pid
        os.kill(killed, signal.SIGSTOP)  # so that the drawing is surely at work when it dies
        with together(w.env):
            result = await w.mia.slash(w.channel, "match", drawing=FISH)
        async with asyncio.timeout(10):
            while not w.services.retrieval.waiting:
                await asyncio.sleep(0.01)
        started = time.perf_counter()
        os.kill(killed, signal.SIGKILL)
        await w.env.settle()
        assert time.perf_counter() - started < 2
        told = [m for m in (result.response, *result.followups) if m is not None]
        assert len(told) == 1
        assert told[0].ephemeral
        assert "starting again" in told[0].content

        # The next one waits for the new worker instead of failing.
        card = (await w.ben.slash(w.channel, "match", drawing=MUG)).response
        assert len(pictures(card)) == 6
        assert supervisor.pid not in (None, killed)


async def test_fifty_drawings_at_once_are_all_answered_and_the_bot_stays_awake(world):
    async with world as w:
        await w.mia.slash(w.channel, "match", drawing=FISH)  # everything has been used once
        uploads = [
            (f"{n}.png", drawings.render_png(name, size=300, width=4 + n % 3))
            for n, name in enumerate((drawings.names() * 2)[:50])
        ]
        pauses = []
        # Code that blocks does so every time; a busy machine does not.
        for attempt in range(1, 4):
            async with LoopWatch() as watch:
                results = []
                with together(w.env):
                    for upload in uploads:
                        results.append(await w.mia.slash(w.channel, "match", drawing=upload))
                        await asyncio.sleep(0)  # each event is a frame of its own on the gateway
                async with asyncio.timeout(w.services.settings.match_seconds):
                    while await _count(w, Drawing) < 1 + 50 * attempt:
                        await asyncio.sleep(0.05)
            await w.env.settle()
            assert all(len(pictures(result.response)) == 6 for result in results)
            assert await _count(w, Drawing) == 1 + 50 * attempt
            assert await _count(w, Result) == 5 * (1 + 50 * attempt)
            pauses.append(watch.worst)
            if watch.worst < LONGEST_PAUSE:
                break
        print("longest pauses of the event loop:", [f"{p * 1000:.1f} ms" for p in pauses])
        assert min(pauses) < LONGEST_PAUSE


async def test_drawings_that_cannot_be_done_in_time_are_told_so_and_not_left_thinking(settings):
    hurried = settings.model_copy(update={"match_seconds": 0.15})
    async with open_world(hurried, own_worker=False) as w:
        with together(w.env):
            results = [await w.mia.slash(w.channel, "match", drawing=FISH) for _ in range(30)]
        await w.env.settle()
        late = 0
        for result in results:
            seen = [m for m in (result.response, *result.followups) if m is not None]
            assert len(seen) == 1
            assert not seen[0].flags.loading
            if seen[0].ephemeral:
                assert "took too long" in texts(seen[0])
                late += 1
            else:
                assert len(pictures(seen[0])) == 6
        assert late > 0


async def test_matching_goes_on_while_the_index_is_rebuilt(own):
    async with _running(own) as w:
        before = await w.services.retrieval.match(FISH[1], (COLLECTION,))
        cache = own.data.embeddings
        for path in cache.iterdir():
            path.unlink()  # so that everything is encoded again

        async def rebuild() -> str:
            async for update in w.services.retrieval.build(COLLECTION, full=True):
                last = update
            return last.generation

        building = asyncio.create_task(rebuild())
        answers = []
        while not building.done():
            answers.append(await w.services.retrieval.match(FISH[1], (COLLECTION,)))
        after = await w.services.retrieval.match(FISH[1], (COLLECTION,))
        assert answers
        assert before.generation != after.generation == await building
        for answer in answers:
            assert [m.photo for m in answer.matches] == [m.photo for m in before.matches]


async def test_the_watch_on_the_event_loop_sees_what_blocks_it():
    async with LoopWatch() as watch:
        await asyncio.sleep(0.02)
        time.sleep(2 * LONGEST_PAUSE)  # noqa: ASYNC251 - what the watch is there to see
        await asyncio.sleep(0.02)
    assert watch.worst > LONGEST_PAUSE
