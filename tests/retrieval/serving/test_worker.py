"""The worker's answers, without a process around it: its bounds, deadlines and faults."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import time
from collections.abc import AsyncIterator, Callable

import pytest
from PIL import Image

from retrieval import index, library
from retrieval.curation import Curation
from retrieval.encoder import Encoder
from retrieval.home import Home
from retrieval.reports import BuildReport, Progress
from retrieval.serving import messages
from retrieval.serving import worker as worker_module
from retrieval.serving.engine import Engine
from retrieval.serving.messages import (
    Build,
    Failure,
    Health,
    HealthReport,
    Match,
    Matches,
    Request,
    Status,
)
from retrieval.serving.worker import Worker
from tests import drawings
from tests.conftest import paint

FISH = Match(drawings.render_png("fish"), ("shared",), 3)


async def answers(worker: Worker, body: object, seconds: float = 20, **request: int) -> list:
    sent: list = []
    await worker.answer(Request(1, time.time() + seconds, body, **request), sent.append)
    return sent


async def answer(worker: Worker, body: object, seconds: float = 20, **request: int) -> object:
    (only,) = await answers(worker, body, seconds, **request)
    return only


@pytest.fixture
def slow_to_load(indexed: Home, encoder: Encoder, monkeypatch) -> Callable[[], None]:
    """Make loading give the shared encoder, after a moment."""

    def load(home: Home, _: str) -> tuple[Encoder, Engine]:
        time.sleep(0.3)
        return encoder, Engine(home, encoder)

    monkeypatch.setattr(worker_module, "_load", load)
    return load


@pytest.fixture
async def worker(indexed: Home, slow_to_load) -> AsyncIterator[Worker]:
    worker = Worker(indexed, "cpu")
    await worker.load()
    yield worker
    await worker.close()


async def test_health_is_answered_while_the_encoder_is_loaded_and_a_drawing_waits_for_it(
    indexed, slow_to_load
):
    worker = Worker(indexed, "cpu")
    loading = asyncio.create_task(worker.load())
    match = asyncio.create_task(answer(worker, FISH))
    hurried = asyncio.create_task(answer(worker, FISH, seconds=0.05))
    health = await answer(worker, Health())
    assert (health.ready, health.encoder, health.device) == (False, "", "cpu")
    assert (await hurried).code == "expired"
    assert not loading.done()
    assert len((await match).matches) == 3
    health = await answer(worker, Health())
    assert (health.ready, health.answered, health.batches) == (True, 1, 1)
    await worker.close()


async def test_more_drawings_than_it_has_room_for_are_told_when_to_come_back(worker, monkeypatch):
    monkeypatch.setattr(worker_module, "MAX_MATCHES_AT_ONCE", 3)
    told = await asyncio.gather(*(answer(worker, FISH) for _ in range(8)))
    answered = [body for body in told if isinstance(body, Matches)]
    refused = [body for body in told if isinstance(body, Failure)]
    assert len(answered) == 3
    assert {failure.code for failure in refused} == {"busy"}
    assert all(failure.retry_after >= 1 for failure in refused)
    assert isinstance(await answer(worker, FISH), Matches)  # there is room again


async def test_a_refused_drawing_gives_its_place_back(worker, monkeypatch):
    monkeypatch.setattr(worker_module, "MAX_MATCHES_AT_ONCE", 1)
    for _ in range(3):
        assert (await answer(worker, Match(b"no picture", ("shared",)))).code == "not_an_image"
        assert (await answer(worker, FISH, seconds=-1)).code == "expired"
    assert isinstance(await answer(worker, FISH), Matches)


async def test_a_drawing_whose_deadline_has_passed_never_reaches_the_encoder(worker):
    assert (await answer(worker, FISH, seconds=-1)).code == "expired"
    assert (await answer(worker, Health())).batches == 0


async def test_how_many_photos_may_be_asked_for_is_bounded(worker, monkeypatch):
    monkeypatch.setattr(worker_module, "MAX_K", 4)
    for asked, given in ((1000, 4), (-3, 1)):
        found = await answer(worker, Match(FISH.drawing, ("shared",), asked))
        assert len(found.matches) == given


async def test_another_protocol_is_refused_by_name(worker):
    failure = await answer(worker, FISH, protocol=messages.PROTOCOL + 1)
    assert failure == Failure("protocol", f"The worker speaks protocol {messages.PROTOCOL}.")


async def test_a_fault_of_ours_is_logged_under_the_id_that_the_caller_gets(
    worker, monkeypatch, capsys
):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(Engine, "prepare", fail)
    failure = await answer(worker, FISH)
    assert failure.code == "internal"
    log = capsys.readouterr()
    assert failure.detail in log.out + log.err
    assert "deep inside" in log.out + log.err
    monkeypatch.undo()
    assert isinstance(await answer(worker, FISH), Matches)


async def test_a_name_that_leads_out_of_the_home_is_not_followed(worker):
    for body in (Match(FISH.drawing, ("../x",)), Build("../x"), Status(("../x",))):
        assert isinstance(await answer(worker, body), Failure)


@pytest.fixture
def big(indexed: Home, tmp_path) -> str:
    """Register a collection that takes the encoder a while."""
    for number in range(24):
        paint(100 + number, 120).save(tmp_path / f"{number:02}.png")
    library.register(indexed, f"big-{id(tmp_path)}", tmp_path)
    return f"big-{id(tmp_path)}"


async def test_drawings_are_answered_while_an_index_is_built(worker, big):
    build = asyncio.create_task(answers(worker, Build(big)))
    found = []
    while not build.done():
        found.append(await answer(worker, FISH))
    told = await build
    assert isinstance(told[-1], BuildReport)
    assert told[-1].photos == 24
    assert all(isinstance(body, Progress) for body in told[:-1])
    assert len(found) > 2
    assert all(isinstance(body, Matches) for body in found)


async def test_one_build_of_a_collection_at_a_time(worker, big):
    first = asyncio.create_task(answers(worker, Build(big, full=True)))
    second = asyncio.create_task(answers(worker, Build(big, full=True)))
    last = [told[-1] for told in await asyncio.gather(first, second)]
    (failure,) = (body for body in last if isinstance(body, Failure))
    assert failure.code == "build_running"
    assert sum(isinstance(body, BuildReport) for body in last) == 1


async def test_a_blank_sheet_is_told_apart_from_no_picture(worker):
    sheet = io.BytesIO()
    Image.new("RGB", (50, 50), "white").save(sheet, "PNG")
    failure = await answer(worker, Match(sheet.getvalue(), ("shared",)))
    assert failure.code == "blank"
    assert isinstance(await answer(worker, Health()), HealthReport)


async def test_what_changed_when_it_last_stopped_is_indexed_at_the_start(
    slow_to_load, tmp_path, encoder
):
    home = Home(tmp_path)
    curation = Curation(home, "server-1")
    ids = []
    for number in (1, 2):
        buffer = io.BytesIO()
        paint(number).save(buffer, "PNG")
        ids.append(curation.add(buffer.getvalue(), library.Sidecar(f"Number {number}"))[0])
    Engine(home, encoder).build("server-1", lambda _: None)
    curation.remove(ids[:1])  # and then the lights went out
    worker = Worker(home, "cpu")
    await worker.load()
    try:
        async with asyncio.timeout(20):
            while len(index.open_current(home.collection("server-1")).photos) != 1:
                await asyncio.sleep(0.02)
        found = await answer(worker, Match(FISH.drawing, ("server-1",), 5))
        assert [match.title for match in found.matches] == ["Number 2"]
    finally:
        await worker.close()


async def test_looking_after_photos_goes_on_whatever_fails(
    slow_to_load, tmp_path, encoder, monkeypatch
):
    home = Home(tmp_path)
    for number in (1, 2):
        buffer = io.BytesIO()
        paint(number).save(buffer, "PNG")
        Curation(home, f"server-{number}").add(buffer.getvalue(), library.Sidecar())
    real, expired = Engine.build, asyncio.Queue()
    loop = asyncio.get_running_loop()

    def build(engine, collection, *args, **options):
        if collection == "server-1":
            raise index.GenerationError("does not find what was put into it")
        return real(engine, collection, *args, **options)

    def expire(_) -> int:
        loop.call_soon_threadsafe(expired.put_nowait, None)
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(Engine, "build", build)
    monkeypatch.setattr(worker_module, "expire", expire)
    monkeypatch.setattr(worker_module, "_EXPIRE_SECONDS", 0.01)
    worker = Worker(home, "cpu")
    await worker.load()
    try:
        async with asyncio.timeout(20):
            for _ in range(2):
                await expired.get()
        assert index.open_current(home.collection("server-2")) is not None
    finally:
        await worker.close()
