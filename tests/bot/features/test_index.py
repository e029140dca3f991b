"""/index rebuild and /index status: for moderators, one at a time, without disturbing matching."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import discord
import pytest
from sqlalchemy import select

from bot import moderators
from bot.settings import Settings
from bot.store.models import BuildState, IndexBuild
from retrieval import library
from retrieval.home import Home
from retrieval.reports import BuildReport, Progress, Unreadable
from retrieval.serving.errors import RetrievalError
from tests import drawings
from tests.acting import pictures, show_to_everybody, together, waiting_views
from tests.conftest import World, open_world, paint, start_worker, wait_ready

FISH = ("fish.png", drawings.render_png("fish"))


async def _builds(w) -> list[IndexBuild]:
    async with w.services.store.read() as session:
        return list(await session.scalars(select(IndexBuild).order_by(IndexBuild.id)))


@asynccontextmanager
async def _world_of_its_own(settings: Settings, folder: Path) -> AsyncIterator[tuple[World, Path]]:
    """Open a world with a worker of its own, whose server has three photos in a folder."""
    home = Home(folder / "own")
    photos = folder / "photos"
    photos.mkdir()
    for number in range(3):
        paint(number).save(photos / f"{number}.png")
    process = start_worker(home)
    try:
        await wait_ready(home.socket)
        own = settings.model_copy(update={"socket": home.socket})
        async with open_world(own, own_worker=False) as w:
            library.register(home, moderators.own_collection(w.guild.id), photos)
            yield w, photos
    finally:
        process.kill()
        process.wait()


async def test_a_rebuild_says_in_numbers_what_it_did(settings, tmp_path):
    async with _world_of_its_own(settings, tmp_path) as (w, photos):
        (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff not a picture")
        first = await w.moderator.slash(w.channel, "index rebuild")
        assert "**3 photos** indexed: 3 new, 0 unchanged, 1 unreadable" in _text(first)
        assert "broken.jpg: This picture is damaged" in _text(first)

        paint(7).save(photos / "another.png")
        (photos / "0.png").unlink()
        second = await w.moderator.slash(w.channel, "index rebuild")
        assert "**3 photos** indexed: 1 new, 2 unchanged, 1 gone" in _text(second)

        builds = await _builds(w)
        assert [b.state for b in builds] == [BuildState.DONE] * 2
        assert (builds[1].photos, builds[1].added, builds[1].unchanged) == (3, 1, 2)
        assert builds[1].unreadable == 1
        assert builds[0].generation != builds[1].generation
        assert {b.requested_by for b in builds} == {w.moderator.id}

        status = _text(await w.moderator.slash(w.channel, "index status"))
        assert "3 photos" in status
        assert builds[1].generation in status
        assert f"<@{w.moderator.id}>" in status


def _text(result) -> str:
    return result.response.content


@pytest.mark.parametrize("command", ["index rebuild", "index status"])
async def test_members_are_refused_in_code_even_where_the_server_lets_them_see_it(world, command):
    async with world as w:
        await show_to_everybody(w, "index")
        result = await w.mia.slash(w.channel, command)
        assert result.response.ephemeral
        assert "for moderators" in result.response.content
        assert await _builds(w) == []


def _report(collection: str, photos: int, unreadable: tuple[Unreadable, ...] = ()) -> BuildReport:
    return BuildReport(
        collection=collection,
        generation="g",
        encoder="e",
        photos=photos,
        added=photos,
        unchanged=0,
        edited=0,
        removed=0,
        duplicates=0,
        near_duplicates=(),
        passed_over={},
        unreadable=unreadable,
        seconds=1.0,
    )


class _SlowBuild:
    """A retrieval client whose builds wait to be let go, step by step."""

    def __init__(self, env_of) -> None:
        self.step = asyncio.Event()
        self.env_of = env_of
        self.collections: list[str] = []

    async def build(self, collection, *, full=False):
        self.collections.append(collection)
        yield Progress("encoding", 5, 20)
        await self.env_of().external_wait(self.step.wait(), reason="the test lets it go on")
        yield _report(collection, 20, (Unreadable("x.jpg", "is damaged"),))


async def test_progress_is_shown_one_rebuild_runs_at_a_time_and_matching_goes_on(settings):
    async with open_world(settings, own_worker=False) as w:
        real = w.bot.retrieval
        slow = _SlowBuild(lambda: w.env)
        slow.match = real.match
        w.bot.retrieval = slow
        first = await w.moderator.slash(w.channel, "index rebuild")
        assert "5 of 20" in _text(first)
        assert "█████░" in _text(first)

        second = await w.moderator.slash(w.channel, "index rebuild")
        assert second.response.ephemeral
        assert "running already" in _text(second)
        assert slow.collections == [moderators.own_collection(w.guild.id)]

        card = await w.mia.slash(w.channel, "match", drawing=FISH)
        assert len(pictures(card.response)) == 6

        slow.step.set()
        await w.env.settle()
        assert "**20 photos** indexed" in _text(first)
        slow.step.clear()
        third = await w.moderator.slash(w.channel, "index rebuild")
        assert "5 of 20" in _text(third), "the next one may run"
        slow.step.set()
        await w.env.settle()


async def test_progress_moves_as_the_build_goes_on_but_not_with_every_photo(settings, monkeypatch):
    clock = [0.0]
    shown = []

    class Counting:
        async def build(self, collection, *, full=False):
            for done in range(40):
                clock[0] += 0.25  # ten seconds in all
                yield Progress("encoding", done, 40)
            yield _report(collection, 40)

    async with open_world(settings, own_worker=False, retrieval=Counting()) as w:
        now = SimpleNamespace(perf_counter=lambda: clock[0])
        monkeypatch.setattr(sys.modules["bot.ui.progress"], "time", now)
        before = len(w.env.http_requests)
        result = await w.moderator.slash(w.channel, "index rebuild")
        for request in w.env.http_requests[before:]:
            if request.method == "PATCH":
                shown.append(request.json["content"])
        assert 5 <= len(shown) <= 8
        assert len(set(shown)) == len(shown)
        assert "**40 photos** indexed" in _text(result)


async def test_a_rebuild_is_cancelled_by_its_button_and_the_old_index_serves(settings, tmp_path):
    async with _world_of_its_own(settings, tmp_path) as (w, photos):
        await w.moderator.slash(w.channel, "index rebuild")
        nothing = await w.moderator.slash(w.channel, "index cancel")
        assert "No rebuild is running" in _text(nothing)
        real = w.bot.retrieval.build

        async def build_and_tap(collection, *, full=False):
            async for update in real(collection, full=full):
                yield update
                if isinstance(update, Progress) and update.stage == "reading":
                    cancelled.append(await w.bot.retrieval.cancel_build(collection))

        cancelled: list[None] = []
        for number in range(3, 80):
            paint(number).save(photos / f"{number}.png")
        w.bot.retrieval.build = build_and_tap
        result = await w.moderator.slash(w.channel, "index rebuild")
        assert cancelled
        assert "The rebuild was cancelled" in _text(result)
        status = _text(await w.moderator.slash(w.channel, "index status"))
        assert "**3 photos**" in status
        assert "cancelled" in status
        w.bot.retrieval.build = real
        again = await w.moderator.slash(w.channel, "index rebuild")
        assert "**80 photos** indexed" in _text(again)


async def test_two_moderators_at_the_same_moment_start_one_rebuild(settings):
    async with open_world(settings, own_worker=False) as w:
        slow = _SlowBuild(lambda: w.env)
        w.bot.retrieval = slow
        with together(w.env):
            await w.moderator.slash(w.channel, "index rebuild")
            await w.moderator.slash(w.channel, "index rebuild")
        await w.env.settle()
        assert len(slow.collections) == 1
        slow.step.set()
        await w.env.settle()


async def test_a_build_that_fails_is_told_and_recorded_and_the_next_may_run(settings):
    class Failing:
        async def build(self, _, *, full=False):
            yield Progress("reading", 1, 2)
            raise RetrievalError("worker_gone")

    async with open_world(settings, own_worker=False, retrieval=Failing()) as w:
        for _ in range(2):
            result = await w.moderator.slash(w.channel, "index rebuild")
            assert "❌" in _text(result)
            assert "still are" in _text(result)
        builds = await _builds(w)
        assert [b.state for b in builds] == [BuildState.FAILED] * 2
        assert builds[0].error == "worker_gone"


async def test_a_build_that_was_running_when_the_bot_died_is_marked_failed_at_start(settings):
    async with open_world(settings, own_worker=False) as w:
        slow = _SlowBuild(lambda: w.env)
        w.bot.retrieval = slow
        await w.moderator.slash(w.channel, "index rebuild")
        assert [b.state for b in await _builds(w)] == [BuildState.RUNNING]
    async with open_world(settings, own_worker=False) as w:
        assert [b.state for b in await _builds(w)] == [BuildState.FAILED]


async def test_the_command_is_declared_for_managers_of_the_server_only(world):
    async with world as w:
        command = w.bot.tree.get_command("index")
        assert command.default_permissions == discord.Permissions(manage_guild=True)
        assert command.guild_only


async def test_a_rebuild_that_is_over_leaves_no_button_to_wait_for(settings):
    async with open_world(settings, own_worker=False) as w:
        slow = _SlowBuild(lambda: w.env)
        w.bot.retrieval = slow
        result = await w.moderator.slash(w.channel, "index rebuild")
        assert len(waiting_views(w, "CancelButton")) == 1
        slow.step.set()
        await w.env.settle()
        assert "**20 photos** indexed" in _text(result)
        assert waiting_views(w, "CancelButton") == []
