"""What was seen and why a photo was found: bounded, in time, and never in a drawing's way."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from retrieval.encoder import Encoder, NoCellsError
from retrieval.serving import explaining
from retrieval.serving import worker as worker_module
from retrieval.serving.engine import Engine
from retrieval.serving.messages import (
    Canonical,
    Canonicalise,
    Explain,
    Explanation,
    Failure,
    Health,
    HealthReport,
    Match,
    Request,
)
from retrieval.serving.worker import Worker
from tests import drawings

FISH = drawings.render_png("fish")


@pytest.fixture
async def worker(indexed, encoder, monkeypatch) -> AsyncIterator[Worker]:
    monkeypatch.setattr(worker_module, "_load", lambda home, _: (encoder, Engine(home, encoder)))
    worker = Worker(indexed, "cpu")
    await worker.load()
    yield worker
    await worker.close()


async def answer(worker: Worker, body: object, seconds: float = 20) -> object:
    sent: list[object] = []
    await worker.answer(Request(1, time.time() + seconds, body), sent.append)
    (only,) = sent
    return only


@pytest.fixture
async def asked(worker: Worker) -> Explain:
    found = await answer(worker, Match(FISH, ("shared",), 1))
    return Explain(FISH, "shared", found.matches[0].photo_id)


async def test_a_drawing_is_told_as_the_encoder_gets_it(worker):
    chalk = drawings.render_png("fish", colour="white", background="black")
    told = await answer(worker, Canonicalise(chalk))
    assert isinstance(told, Canonical)
    assert "inverted" in told.steps
    for part in (told.subject, told.page):
        with Image.open(io.BytesIO(part)) as image:
            assert (image.format, image.size, image.getpixel((1, 1))) == ("PNG", (512, 512), 255)


async def test_the_worker_answers_others_while_a_photo_is_explained(worker, asked, monkeypatch):
    gate, real = threading.Event(), Encoder.agreement

    def agreement(encoder: Encoder, pair: object) -> object:
        gate.wait(20)
        return real(encoder, pair)

    monkeypatch.setattr(Encoder, "agreement", agreement)
    waiting = asyncio.create_task(answer(worker, asked))
    assert isinstance(await answer(worker, Health()), HealthReport)
    assert isinstance(await answer(worker, Canonicalise(FISH)), Canonical)
    assert not waiting.done()
    gate.set()
    told = await waiting
    assert isinstance(told, Explanation)
    assert told.drawing_place


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"photo_id": "0" * 64}, "unknown_photo"),
        ({"photo_id": "../../etc/passwd"}, "unknown_photo"),
        ({"collection": "nobodys"}, "no_index"),
        ({"collection": "../x"}, "unknown_collection"),
        ({"drawing": b"no picture"}, "not_an_image"),
    ],
)
async def test_what_cannot_be_explained_is_refused_by_name(worker, asked, change, code):
    fields = {name: getattr(asked, name) for name in asked.__struct_fields__}
    assert (await answer(worker, Explain(**fields | change))).code == code


async def test_a_photo_without_a_file_is_unknown(worker, asked, monkeypatch):
    monkeypatch.setattr(Engine, "_thumbnail", lambda *_: b"")
    assert (await answer(worker, asked)).code == "unknown_photo"


async def test_a_few_at_a_time_and_the_others_are_told_when_to_come_back(
    worker, asked, monkeypatch
):
    monkeypatch.setattr(explaining, "MAX_AT_ONCE", 2)
    told = await asyncio.gather(*(answer(worker, asked) for _ in range(5)))
    refused = [body for body in told if isinstance(body, Failure)]
    assert [(body.code, body.retry_after) for body in refused] == [("busy", 3.0)] * 3
    for bad in (Canonicalise(b""), Explain(b"", "shared", asked.photo_id)):
        assert (await answer(worker, bad)).code == "empty"
    assert isinstance(await answer(worker, asked), Explanation)  # there is room again


async def test_past_its_deadline_it_never_reaches_the_encoder(worker, asked, monkeypatch):
    monkeypatch.setattr(Encoder, "agreement", None)
    assert (await answer(worker, asked, seconds=-1)).code == "expired"


async def test_an_encoder_that_cannot_tell_says_so(worker, asked, monkeypatch):
    def agreement(*_: object) -> None:
        raise NoCellsError

    monkeypatch.setattr(Encoder, "agreement", agreement)
    assert (await answer(worker, asked)).code == "no_cells"
    assert isinstance(await answer(worker, Canonicalise(FISH)), Canonical)
