"""A running worker takes up another encoder: nobody who is matching notices more than a label."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from retrieval import encoders, library
from retrieval.curation import Curation
from retrieval.encoder import Encoder
from retrieval.home import Home
from retrieval.library import Sidecar
from retrieval.serving.client import RetrievalClient
from retrieval.serving.engine import Engine
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import ChangePhotos
from tests import drawings
from tests.conftest import paint, start_worker, wait_ready
from tests.retrieval.test_encoders import noised, run

__all__ = ["noised"]  # a fixture

FISH = drawings.render_png("fish")
OWN = "server-1"


@pytest.fixture
def home(tmp_path: Path, pictures: Path, encoder: Encoder) -> Home:
    """A host's collection and one of a server's own, both indexed by the shipped encoder."""
    home = Home(tmp_path / "home")
    library.register(home, "shared", pictures)
    for number in range(4):
        buffer = io.BytesIO()
        paint(number + 50).save(buffer, "PNG")
        Curation(home, OWN).add(buffer.getvalue(), Sidecar(f"Number {number}"))
    for name in ("shared", OWN):
        Engine(home, encoder).build(name, lambda _: None)
    return home


async def serving(client: RetrievalClient, label: str) -> None:
    async with asyncio.timeout(60):
        while (await client.health()).encoder != label:
            await asyncio.sleep(0.1)


async def built(client: RetrievalClient) -> None:
    """Build, as the bot does: again while the worker itself is at it, as after a change."""
    async with asyncio.timeout(60):
        while True:
            try:
                _ = [step async for step in client.build(OWN)]
                return
            except RetrievalError as error:
                if error.code != "build_running":
                    raise
            await asyncio.sleep(0.2)


async def test_matches_during_a_promotion_are_of_the_old_or_the_new_encoder_and_never_fail(
    home, noised, encoder
):
    process = start_worker(home)
    client = RetrievalClient(home.socket)
    try:
        await wait_ready(home.socket, 120)
        found = []
        done = asyncio.Event()

        async def match() -> None:
            while not done.is_set():
                found.append(await client.match(FISH, ("shared", OWN), 5))

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(match())
            status, told = await asyncio.to_thread(
                run, home, "promote", noised, "--unjudged", "--device", "cpu"
            )
            assert status == 0, told
            new = encoders.load_current(home, "cpu")
            await serving(client, new.label)
            (gone, *_) = (await client.match(FISH, (OWN,), 4)).matches
            change = ChangePhotos(OWN, (gone.photo_id,), "erased")
            assert await client.change_photos(change) == (gone.photo_id,)
            await built(client)
            erased_after = len(found)
            status, told = await asyncio.to_thread(run, home, "rollback", "--device", "cpu")
            assert status == 0, told
            await serving(client, encoder.label)
            last = await client.match(FISH, ("shared", OWN), 5)
            done.set()
        labels = [one.encoder for one in found]
        assert set(labels) == {encoder.label, new.label}
        turns = [label for label, before in zip(labels, [None, *labels], strict=False)
                 if label != before]  # fmt: skip
        assert len(turns) <= 5  # two who match may overtake one another at each of two changes
        expected = {
            one.label: [m.photo_id for m in Engine(home, one).match(FISH, ("shared",), 5).matches]
            for one in (encoder, new)
        }
        assert expected[encoder.label] != expected[new.label]
        assert all(len(one.matches) == 5 for one in found)
        shown = [match for one in found for match in one.matches]
        assert all(match.thumbnail or match.photo_id == gone.photo_id for match in shown)
        assert last.encoder == encoder.label
        later = [*found[erased_after + 2 :], last]
        assert not any(m.photo_id == gone.photo_id for one in later for m in one.matches)
    finally:
        await client.close()
        process.terminate()
        process.wait(10)


async def test_a_choice_that_cannot_be_loaded_leaves_the_worker_as_it_is(home, encoder):
    process = start_worker(home)
    client = RetrievalClient(home.socket)
    try:
        await wait_ready(home.socket, 120)
        choice = encoders.Choice("gone", "e" * 64, "1")
        encoders.switch(home, choice, encoders.Choice(encoder.name, encoder.digest, "1"))
        for _ in range(15):
            assert (await client.match(FISH, ("shared",), 2)).encoder == encoder.label
            await asyncio.sleep(0.1)
        home.chosen_encoder.unlink()
        assert (await client.match(FISH, ("shared",), 2)).encoder == encoder.label
    finally:
        await client.close()
        process.terminate()
        process.wait(10)
