"""Drawings go together and before photos; nobody waits in vain and nothing is encoded in vain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from retrieval.serving import batching
from retrieval.serving.batching import Batcher, ExpiredError


class Network:
    """Stands for the encoder: an input is a number, its embedding that number twice."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[float]]] = []
        self.seconds = 0.0
        self.gate = threading.Event()
        self.gate.set()

    async def has_run(self, times: int) -> None:
        while len(self.runs) < times:
            await asyncio.sleep(0.001)

    def sketches(self, batch: Sequence[float]) -> np.ndarray:
        return self._run("sketches", batch)

    def photos(self, batch: Sequence[float]) -> np.ndarray:
        return self._run("photos", batch)

    def _run(self, kind: str, batch: Sequence[float]) -> np.ndarray:
        self.runs.append((kind, list(batch)))
        self.gate.wait(20)
        time.sleep(self.seconds)
        if -1 in batch:
            raise RuntimeError("out of memory")
        return np.array([[item, item] for item in batch], np.float32)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
async def batcher(network: Network) -> AsyncIterator[Batcher]:
    batcher = Batcher(network.sketches, network.photos, max_batch=8)
    batcher.start()
    yield batcher
    network.gate.set()
    await batcher.stop()


def later(seconds: float = 20) -> float:
    return time.time() + seconds


async def hold(batcher: Batcher, network: Network) -> asyncio.Task:
    """Let the network be at work on drawing 100, so that what comes now waits."""
    network.gate.clear()
    task = asyncio.create_task(batcher.embed_drawing(100, later()))
    await network.has_run(1)
    return task


async def test_each_caller_gets_its_own_embedding(batcher):
    rows = await asyncio.gather(*(batcher.embed_drawing(n, later()) for n in range(50)))
    np.testing.assert_array_equal(np.stack(rows)[:, 0], np.arange(50))


async def test_drawings_that_come_together_are_encoded_together(batcher, network):
    await asyncio.gather(*(batcher.embed_drawing(n, later()) for n in range(20)))
    sizes = [len(batch) for _, batch in network.runs]
    assert sizes == [8, 8, 4]
    assert batcher.batches == 3


async def test_a_lone_drawing_does_not_wait_for_company(batcher, network):
    started = time.perf_counter()
    await batcher.embed_drawing(1, later())
    assert time.perf_counter() - started < 1
    assert network.runs == [("sketches", [1])]


async def test_batches_form_while_the_network_is_at_work(batcher, network):
    held = await hold(batcher, network)
    tasks = []
    for number in range(8):
        tasks.append(asyncio.create_task(batcher.embed_drawing(number, later())))
        await asyncio.sleep(0.005)  # one after the other, each further apart than the linger
    assert batcher.queued == 8
    assert 0.03 < batcher.queue_age < 5
    network.gate.set()
    await asyncio.gather(held, *tasks)
    assert [len(batch) for _, batch in network.runs] == [1, 8]
    assert batcher.queued == 0
    assert batcher.queue_age == 0


async def test_a_pair_waits_for_drawings_and_goes_before_photos(batcher, network):
    def compare(pair: Sequence[float]) -> np.ndarray:
        return network._run("pair", pair)

    held = await hold(batcher, network)
    photos = asyncio.create_task(batcher.embed_photos([1]))
    late = asyncio.create_task(batcher.compare(compare, (8, 9), time.time() - 1))
    pairs = [asyncio.create_task(batcher.compare(compare, (n, 3), later())) for n in (2, 4)]
    await asyncio.sleep(0)
    drawing = asyncio.create_task(batcher.embed_drawing(5, later()))
    await asyncio.sleep(0)
    network.gate.set()
    first, _ = await asyncio.gather(*pairs)
    np.testing.assert_array_equal(first, [[2, 2], [3, 3]])
    await asyncio.gather(held, photos, drawing)
    assert network.runs[1:] == [
        ("sketches", [5]),
        ("pair", [2, 3]),
        ("pair", [4, 3]),
        ("photos", [1]),
    ]
    with pytest.raises(ExpiredError):
        await late


async def test_drawings_go_before_photos_that_came_first(batcher, network):
    held = await hold(batcher, network)
    photos = [asyncio.create_task(batcher.embed_photos([n, n])) for n in (1, 2)]
    await asyncio.sleep(0)
    drawings = [asyncio.create_task(batcher.embed_drawing(n, later())) for n in range(3, 15)]
    await asyncio.sleep(0)
    network.gate.set()
    await asyncio.gather(held, *photos, *drawings)
    kinds = [kind for kind, _ in network.runs]
    assert kinds == ["sketches", "sketches", "sketches", "photos", "photos"]
    assert [len(batch) for _, batch in network.runs[1:3]] == [8, 4]


async def test_a_drawing_gets_in_between_the_photos_of_a_build(batcher, network):
    network.seconds = 0.01
    build = asyncio.gather(*(batcher.embed_photos([n] * 4) for n in range(10)))
    await network.has_run(3)
    await batcher.embed_drawing(5, later())
    assert len([kind for kind, _ in network.runs if kind == "photos"]) < 10
    rows = await build
    assert [chunk.tolist() for chunk in rows] == [[[n, n]] * 4 for n in range(10)]


async def test_a_failing_batch_is_told_to_each_of_its_callers_and_the_next_one_works(
    batcher, network
):
    outcomes = await asyncio.gather(
        *(batcher.embed_drawing(n, later()) for n in (1, -1, 3)), return_exceptions=True
    )
    assert [str(error) for error in outcomes] == ["out of memory"] * 3
    assert (await batcher.embed_drawing(4, later())).tolist() == [4, 4]
    with pytest.raises(RuntimeError, match="out of memory"):
        await batcher.embed_photos([-1])
    assert (await batcher.embed_photos([5])).tolist() == [[5, 5]]


async def test_one_whose_deadline_has_passed_is_told_so_and_never_encoded(batcher, network):
    held = await hold(batcher, network)
    early = asyncio.create_task(batcher.embed_drawing(1, later(0.02)))
    late = asyncio.create_task(batcher.embed_drawing(2, later()))
    await asyncio.sleep(0.05)
    network.gate.set()
    with pytest.raises(ExpiredError):
        await early
    await asyncio.gather(held, late)
    with pytest.raises(ExpiredError):
        await batcher.embed_drawing(3, later(-1))
    assert network.runs == [("sketches", [100]), ("sketches", [2])]


async def test_one_whose_caller_has_gone_is_never_encoded(batcher, network):
    held = await hold(batcher, network)
    gone = asyncio.create_task(batcher.embed_drawing(1, later()))
    stays = asyncio.create_task(batcher.embed_drawing(2, later()))
    await asyncio.sleep(0)
    gone.cancel()
    network.gate.set()
    await asyncio.gather(held, stays)
    assert network.runs == [("sketches", [100]), ("sketches", [2])]


async def test_a_caller_that_goes_while_its_batch_is_at_work_costs_the_others_nothing(
    batcher, network
):
    held = await hold(batcher, network)
    held.cancel()
    network.gate.set()
    assert (await batcher.embed_drawing(2, later())).tolist() == [2, 2]


async def test_stopping_leaves_nobody_waiting(network):
    batcher = Batcher(network.sketches, network.photos)
    batcher.start()
    at_work = await hold(batcher, network)
    waiting = [
        asyncio.create_task(batcher.embed_drawing(1, later())),
        asyncio.create_task(batcher.embed_photos([2])),
    ]
    await asyncio.sleep(0)
    await batcher.stop()
    network.gate.set()
    done, pending = await asyncio.wait([at_work, *waiting], timeout=5)
    assert not pending
    assert all(task.cancelled() for task in done)


async def test_going_through_the_batcher_costs_little_more_than_the_bare_call(batcher, network):
    network.seconds = 0.02
    started = time.perf_counter()
    for number in range(15):
        network.sketches([number])
    bare = time.perf_counter() - started
    started = time.perf_counter()
    for number in range(15):
        await batcher.embed_drawing(number, later())
    assert (time.perf_counter() - started) / bare < 2.5
    # Under load it is a gain: what took 15 runs takes 2.
    started = time.perf_counter()
    await asyncio.gather(*(batcher.embed_drawing(n, later()) for n in range(15)))
    assert (time.perf_counter() - started) / bare < 0.7


async def test_no_photo_is_begun_while_a_drawing_is_on_its_way_but_photos_do_not_starve(
    batcher, network, monkeypatch
):
    monkeypatch.setattr(batching, "_PATIENCE", 0.1)
    await batcher.embed_photos([1])
    with batcher.expecting():
        photo = asyncio.create_task(batcher.embed_photos([2]))
        await asyncio.sleep(0.03)
        assert network.runs == [("photos", [1])]
        await batcher.embed_drawing(3, later())
        assert network.runs[-1] == ("sketches", [3])
        await asyncio.wait_for(photo, 5)  # drawing after drawing: a photo in between
    soon = asyncio.create_task(batcher.embed_photos([4]))
    await asyncio.wait_for(soon, 0.08)  # none on its way: at once
