"""Real worker processes: what they answer, and what happens when they are killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket as sockets
import stat
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from retrieval import library
from retrieval.reports import BuildReport, Progress, Statistics
from retrieval.serving import messages
from retrieval.serving import supervisor as supervisor_module
from retrieval.serving.client import RetrievalClient
from retrieval.serving.errors import RetrievalError
from retrieval.serving.framing import frame
from retrieval.serving.messages import Health, Request
from retrieval.serving.supervisor import Supervisor, worker_command
from tests import drawings
from tests.conftest import ROOT, paint

FISH = drawings.render_png("fish")
APPLE = drawings.render_png("apple")
HAMMER = drawings.render_png("hammer")

PATIENCE = 120.0  # seconds that a worker may take to load torch on a machine with other work

# A worker whose loading is replaced; the rest of the process is as it is.
LOADS = (
    "import sys, time, retrieval.serving.process as p, retrieval.serving.worker as w;"
    "real = w._load; w._load = {}; p.main()"
)
SLOWLY = "lambda *a: (time.sleep(1), real(*a))[1]"
NOTHING = (
    "lambda *a: (type('E', (), dict.fromkeys(('embed_sketches', 'embed_photos', 'name', 'device')))"
    "(), None)"
)


@pytest.fixture
async def client(worker) -> AsyncIterator[RetrievalClient]:
    client = RetrievalClient(worker.socket)
    yield client
    await client.close()


async def code_of(awaitable) -> str:
    with pytest.raises(RetrievalError) as caught:
        await awaitable
    return caught.value.code


def listens(socket: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX) as probe:
        return probe.connect_ex(str(socket)) == 0


def wait_until_listening(socket: Path, process: subprocess.Popen | None = None) -> None:
    end = time.monotonic() + 30
    while not listens(socket):
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.02)


# -- a worker that nobody harms


async def test_a_worker_matches_as_the_engine_does(client, engine):
    for drawing in (FISH, APPLE):
        there = await client.match(drawing, ("shared",), k=12)
        here = engine.match(drawing, ("shared",), 12)
        assert [match.photo for match in there.matches] == [match.photo for match in here.matches]
        for one, other in zip(there.matches, here.matches, strict=True):
            assert one.score == pytest.approx(other.score, abs=2e-4)
            assert one.thumbnail == other.thumbnail
        assert (there.encoder, there.drawing) == (here.encoder, here.drawing)


async def test_many_drawings_at_once_are_all_answered_rightly_and_go_in_batches(client):
    uploads = [drawings.render_png(name, size=200) for name in drawings.names()[:6]] * 4
    alone = {upload: await client.match(upload, ("shared",)) for upload in uploads[:6]}
    before = await client.health()
    found = await asyncio.gather(*(client.match(upload, ("shared",)) for upload in uploads))
    after = await client.health()
    for upload, match in zip(uploads, found, strict=True):
        expected = alone[upload].matches
        assert [one.score for one in match.matches] == pytest.approx(
            [one.score for one in expected], abs=5e-4
        )
    assert after.answered - before.answered == 24
    assert after.batches - before.batches < 24
    assert (after.queued, after.queue_age) == (0, 0.0)


async def test_health_and_status_tell_what_is_there(client, worker):
    health = await client.health()
    assert (health.ready, health.device) == (True, "cpu")
    assert health.encoder
    assert health.uptime > 0
    shared, nobodys = (await client.status(("shared", "nobodys"))).collections
    assert shared.photos == 12
    assert shared.encoder == health.encoder
    assert nobodys.photos is None


async def test_a_build_tells_how_far_it_is_and_then_what_it_did(client, worker, tmp_path):
    for number in range(6):
        paint(200 + number).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"broken")
    library.register(worker.home, "own", tmp_path)
    told = [step async for step in client.build("own")]
    assert isinstance(told[-1], BuildReport)
    assert (told[-1].photos, told[-1].added) == (6, 6)
    assert [item.photo for item in told[-1].unreadable] == ["broken.png"]
    assert {step.stage for step in told[:-1]} == {"reading", "encoding", "publishing"}
    assert all(isinstance(step, Progress) for step in told[:-1])
    assert (await client.match(FISH, ("own",))).generation == told[-1].generation


async def test_errors_come_over_the_wire_with_their_codes(client, worker, tmp_path):
    assert await code_of(client.match(b"no picture", ("shared",))) == "not_an_image"
    assert await code_of(client.match(FISH, ("nobodys",))) == "no_index"
    assert await code_of(anext(client.build("nobodys"))) == "unknown_collection"
    library.register(worker.home, "empty", tmp_path)
    with pytest.raises(RetrievalError, match="no photo") as caught:
        _ = [step async for step in client.build("empty")]
    assert caught.value.code == "no_photos"


async def test_pictures_and_the_chart_come_over_the_wire(client, engine):
    (match,) = (await client.match(FISH, ("shared",), k=1)).matches
    found = await client.pictures((FISH, b"?"), (match.photo_id, "0" * 64), side=720)
    assert found.drawings == (engine.prepare(FISH).shown, b"")
    assert found.photos == (match.thumbnail, b"")
    picture = await client.plot(Statistics((), (), (), (), (), ()))
    assert picture.startswith(b"\x89PNG")


async def test_a_deadline_in_the_past_is_answered_as_such_and_nothing_is_encoded(client):
    before = (await client.health()).batches
    assert await code_of(client.match(FISH, ("shared",), timeout=0)) == "expired"
    assert (await client.health()).batches == before


def garbage() -> list[bytes]:
    chance = random.Random(0)
    whole = frame(messages.encode(Request(1, 0.0, Health())))
    return [
        struct.pack(">I", 2**32 - 1),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        frame(b""),
        frame(b"\x91" * 100_000),
        frame(b"\x83\xa2id\x01\xa8deadline\x00\xa4body\x81\xa4type\xa2\xff\xfe"),
        *(frame(chance.randbytes(chance.randrange(200))) for _ in range(20)),
        whole[:4] + bytes(reversed(whole[4:])),
    ]


async def test_garbage_costs_its_sender_the_connection_and_nobody_else_anything(client, worker):
    await client.health()
    for noise in garbage():
        reader, writer = await asyncio.open_unix_connection(str(worker.socket))
        writer.write(noise)
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
    link = client._link
    assert (await client.match(FISH, ("shared",))).matches
    assert client._link is link  # still the first connection


async def test_a_client_that_leaves_in_the_middle_does_not_disturb(client, worker):
    request = frame(messages.encode(Request(1, time.time() + 9, messages.Match(FISH, ("shared",)))))
    for end in (len(request) // 2, len(request)):
        _, writer = await asyncio.open_unix_connection(str(worker.socket))
        writer.write(request[:end])
        await writer.drain()
        writer.transport.abort()
    assert (await client.match(FISH, ("shared",))).matches


async def test_only_its_owner_may_speak_to_a_worker(worker):
    assert stat.S_IMODE(worker.socket.stat().st_mode) == 0o600


# -- workers that come and go


async def test_drawings_at_work_when_the_worker_is_killed_and_what_comes_after(indexed, tmp_path):
    socket = tmp_path / "s"
    supervisor = Supervisor(worker_command(indexed.root, socket, "cpu"))
    client = RetrievalClient(socket, supervisor.hopeless)

    async def killed_with(*uploads: bytes) -> float:
        """Kill the worker while it has these drawings; return how long their people waited."""
        os.kill(supervisor.pid, signal.SIGSTOP)
        tasks = [asyncio.create_task(code_of(client.match(u, ("shared",)))) for u in uploads]
        await asyncio.sleep(0.1)
        os.kill(supervisor.pid, signal.SIGKILL)
        started = time.monotonic()
        assert await asyncio.gather(*tasks) == ["worker_gone"] * len(uploads)
        return time.monotonic() - started

    await supervisor.start()
    try:
        first = await client.match(FISH, ("shared",), timeout=PATIENCE)
        assert await killed_with(APPLE, HAMMER) < 2
        assert not (await client.health()).ready  # the next one, still loading
        assert await killed_with(APPLE) < 2
        started = time.monotonic()
        assert await code_of(client.match(APPLE, ("shared",))) == "crashed_twice"
        assert time.monotonic() - started < 0.5
        again = await client.match(FISH, ("shared",), timeout=PATIENCE)
        assert [one.photo for one in again.matches] == [one.photo for one in first.matches]
        assert (await client.match(HAMMER, ("shared",))).matches  # one crash is no proof
        assert supervisor.starts == 3
        assert not supervisor.hopeless()
    finally:
        await client.close()
        await supervisor.stop()
    assert supervisor.pid is None
    assert not socket.exists()


async def test_a_worker_from_its_first_moment_to_its_last(indexed, tmp_path):
    socket = tmp_path / "s"
    with sockets.socket(sockets.AF_UNIX) as stale:
        stale.bind(str(socket))  # closed and left lying there, as by kill -9
    options = ["--home", str(indexed.root), "--socket", str(socket), "--device", "cpu"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOADS.format(SLOWLY), *options, cwd=ROOT
    )
    client = RetrievalClient(socket)
    try:
        assert not (await client.health()).ready
        match = asyncio.create_task(client.match(FISH, ("shared",), timeout=PATIENCE))
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "retrieval.serving.process", *options,
            cwd=ROOT, stderr=subprocess.PIPE,
        )  # fmt: skip
        _, words = await second.communicate()
        assert second.returncode != 0
        assert b"another worker is listening" in words
        assert len((await match).matches) == 5
        assert (await client.health()).ready
        started = time.monotonic()
        uploads = [drawings.render_png(name) for name in drawings.names()[:12]]
        last = [asyncio.create_task(client.match(upload, ("shared",))) for upload in uploads]
        await asyncio.sleep(0.1)
        process.terminate()
        told = await asyncio.gather(*last, return_exceptions=True)
        assert await asyncio.wait_for(process.wait(), 15) == 0
        assert time.monotonic() - started < 10
        codes = {error.code for error in told if isinstance(error, RetrievalError)}
        assert codes == {"worker_gone"}
        assert not client._crashes  # to be asked to stop is no crash
        assert not socket.exists()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await client.close()


def test_a_worker_leaves_when_its_parent_is_killed(indexed, tmp_path):
    socket = tmp_path / "s"
    command = [sys.executable, "-c", LOADS.format(NOTHING)]
    command += worker_command(indexed.root, socket, "cpu")[3:]
    parent = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; "
         "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE).wait()", *command],
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_until_listening(socket, parent)
        parent.kill()
        parent.communicate(timeout=15)  # the end of its output is the end of the worker too
    finally:
        parent.kill()
    assert not socket.exists()


def test_a_file_that_is_no_socket_is_not_overwritten(indexed, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"dear to somebody")
    options = ["--home", str(indexed.root), "--socket", str(file)]
    run = subprocess.run(
        [sys.executable, "-c", LOADS.format(NOTHING), *options],
        cwd=ROOT, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode != 0
    assert file.read_bytes() == b"dear to somebody"


async def test_a_worker_that_always_dies_is_started_ever_more_seldom_and_then_given_up(tmp_path):
    supervisor = Supervisor([sys.executable, "-c", "raise SystemExit(3)"])
    client = RetrievalClient(tmp_path / "s", supervisor.hopeless)
    started = time.monotonic()
    await supervisor.start()
    try:
        assert await code_of(client.match(FISH, ("shared",), timeout=30)) == "worker_gone"
        waited = time.monotonic() - started
        assert supervisor.hopeless()
        assert supervisor.starts == 4
        assert 0.2 + 0.4 + 0.8 < waited < 10
        started = time.monotonic()
        assert await code_of(client.match(APPLE, ("shared",), timeout=30)) == "worker_gone"
        assert time.monotonic() - started < 0.5
    finally:
        await supervisor.stop()
        await client.close()


async def test_a_worker_that_does_not_listen_to_reason_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor_module, "_STOP_SECONDS", 0.3)
    marker = tmp_path / "started"
    deaf = "import signal, sys, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    deaf += "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    supervisor = Supervisor([sys.executable, "-c", deaf, str(marker)])
    await supervisor.start()
    while not marker.exists():
        await asyncio.sleep(0.01)
    started = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - started < 5
    assert supervisor.pid is None
