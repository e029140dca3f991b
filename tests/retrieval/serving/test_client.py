"""What the client makes of a peer that is late, silent, gone or no worker at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from retrieval.serving import client as client_module
from retrieval.serving import messages
from retrieval.serving.client import RetrievalClient
from retrieval.serving.errors import RetrievalError
from retrieval.serving.framing import FrameReader, frame
from retrieval.serving.messages import Failure, HealthReport, Match, Matches, Reply, Request

NOTHING = Matches((), None, b"", "g", "e", {})
HEALTH = HealthReport(True, "cpu", "e", 0, 0.0, 0, 0, 1.0)

Answer = Callable[[Request], list[bytes]]


def told(request: Request, body: object) -> bytes:
    return frame(messages.encode(Reply(request.id, body)))


def obliging(request: Request) -> list[bytes]:
    return [told(request, NOTHING if isinstance(request.body, Match) else HEALTH)]


def dying(_: Request) -> list[bytes]:
    return []


@asynccontextmanager
async def peer(
    socket: Path, answer: Answer = obliging, *, greets: bool = True
) -> AsyncIterator[list[Request]]:
    """Listen on a socket, greet, and say what ``answer`` returns to each request.

    ``[]`` hangs up, ``[b""]`` is silence. With ``greets=False`` it answers nothing before that.
    """
    seen: list[Request] = []
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        frames = FrameReader()
        greeted = not greets
        while chunk := await reader.read(1 << 16):
            for payload in frames.feed(chunk):
                request = messages.decode_request(payload)
                if greeted:
                    seen.append(request)
                replies = answer(request) if greeted else [told(request, HEALTH)]
                greeted = True
                if not replies:
                    writer.close()
                for reply in replies:
                    writer.write(reply)

    server = await asyncio.start_unix_server(serve, socket)
    try:
        yield seen
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
async def client(socket: Path) -> AsyncIterator[RetrievalClient]:
    client = RetrievalClient(socket)
    yield client
    await client.close()


async def code_of(awaitable) -> str:
    with pytest.raises(RetrievalError) as caught:
        await awaitable
    return caught.value.code


async def test_a_request_carries_its_deadline_and_what_was_asked(client, socket):
    async with peer(socket) as seen:
        await client.match(b"drawing", ("a", "b"), k=7, timeout=12)
    assert seen[0].body == Match(b"drawing", ("a", "b"), 7)
    assert seen[0].deadline == pytest.approx(time.time() + 12, abs=2)


async def test_answers_find_their_callers_in_whatever_order_they_come(client, socket):
    held: list[Request] = []

    def backwards(request: Request) -> list[bytes]:
        held.append(request)
        if len(held) < 10:
            return [told(Request(999, 0, messages.Health()), HEALTH)]  # for nobody
        return [
            told(one, Matches((), None, one.body.drawing, "", "", {}))
            for one in reversed(held)
        ]  # fmt: skip

    async with peer(socket, backwards):
        asked = [bytes([n]) for n in range(10)]
        found = await asyncio.gather(*(client.match(drawing, ("a",)) for drawing in asked))
    assert [one.drawing for one in found] == asked


async def test_a_failure_keeps_its_code_its_words_and_its_time(client, socket):
    failure = Failure("busy", "Too many drawings.", 2.5)
    async with peer(socket, lambda request: [told(request, failure)]):
        with pytest.raises(RetrievalError, match="Too many drawings") as caught:
            await client.match(b"", ("a",))
    assert caught.value.failure == failure
    assert caught.value.retry_after == 2.5


@pytest.mark.parametrize(
    "noise",
    [
        b"\xff" * 8,
        frame(b"garbage"),
        frame(b"\x82\xa2id\x01\xa4body\xa2\xff\xfe"),
        frame(messages.encode(Request(1, 0.0, messages.Health()))),
    ],
    ids=["size", "no-message", "no-text", "a-request"],
)
async def test_a_peer_that_is_no_worker_is_named_so_at_once(client, socket, noise):
    async with peer(socket, lambda _: [noise]):
        assert await code_of(client.match(b"d", ("a",))) == "protocol"


async def test_a_worker_that_is_being_killed_still_takes_connections_and_is_not_believed(
    client, socket
):
    """The drawing waits for the next worker, and is not blamed for the end of the last one."""
    async with peer(socket, dying, greets=False) as last:
        match = asyncio.create_task(client.match(b"d", ("a",)))
        await asyncio.sleep(0.3)
        assert len(last) > 1
        assert not match.done()
    async with peer(socket) as seen:
        assert await match == NOTHING
    assert [request.body for request in seen] == [Match(b"d", ("a",))]
    assert not client._crashes


@pytest.mark.parametrize("first", [frame(b"garbage"), None])
async def test_a_peer_that_is_no_worker_is_named_so_by_its_greeting(client, socket, first):
    refusal = Failure("protocol", "The worker speaks protocol 2.")
    answer = (lambda _: [first]) if first else (lambda request: [told(request, refusal)])
    async with peer(socket, answer, greets=False):
        assert await code_of(client.match(b"d", ("a",))) == "protocol"


async def test_an_answer_to_another_question_is_no_answer(client, socket):
    async with peer(socket, lambda request: [told(request, HEALTH)]):
        assert await code_of(client.match(b"d", ("a",))) == "protocol"


async def test_when_the_peer_goes_all_who_wait_hear_at_once_and_the_next_connects_anew(
    client, socket
):
    started = time.monotonic()
    async with peer(socket, lambda request: [] if request.body.drawing == b"\4" else [b""]):
        codes = await asyncio.gather(*(code_of(client.match(bytes([n]), ("a",))) for n in range(5)))
    assert codes == ["worker_gone"] * 5
    assert time.monotonic() - started < 2
    async with peer(socket):
        assert await client.match(b"next", ("a",)) == NOTHING


async def test_a_drawing_at_work_at_two_ends_of_the_worker_is_not_sent_a_third_time(client, socket):
    def falls_over(request: Request) -> list[bytes]:
        evil = isinstance(request.body, Match) and request.body.drawing == b"evil"
        return [] if evil else obliging(request)

    async with peer(socket, falls_over) as seen:
        codes = [await code_of(client.match(b"evil", ("a",))) for _ in range(4)]
        assert codes == ["worker_gone", "worker_gone", "crashed_twice", "crashed_twice"]
        assert len(seen) == 2
        assert await client.match(b"good", ("a",)) == NOTHING


async def test_closing_the_client_blames_no_drawing(socket):
    async with peer(socket, lambda _: [b""]):
        for _ in range(3):
            client = RetrievalClient(socket)
            task = asyncio.create_task(code_of(client.match(b"d", ("a",))))
            await asyncio.sleep(0.02)
            await client.close()
            assert await task == "worker_gone"
            assert not client._crashes


async def test_only_so_many_crashes_are_remembered(client, monkeypatch):
    monkeypatch.setattr(client_module, "_CRASHES_REMEMBERED", 3)
    for name in ("a", "b", "a", "c", "d", "a", "e"):
        client._blame(name)
    assert dict(client._crashes) == {"d": 1, "a": 3, "e": 1}


async def test_a_silent_worker_costs_no_more_than_the_deadline_and_a_little(
    client, socket, monkeypatch
):
    monkeypatch.setattr(client_module, "_GRACE", 0.1)
    started = time.monotonic()
    async with peer(socket, lambda _: [b""]):
        assert await code_of(client.match(b"d", ("a",), timeout=0.2)) == "expired"
    assert 0.2 < time.monotonic() - started < 2


async def test_a_caller_waits_for_a_worker_that_is_still_starting(client, socket):
    match = asyncio.create_task(client.match(b"d", ("a",)))
    await asyncio.sleep(0.2)
    assert not match.done()
    async with peer(socket):
        assert await match == NOTHING


async def test_a_caller_does_not_wait_for_a_worker_longer_than_its_deadline(client):
    started = time.monotonic()
    assert await code_of(client.match(b"d", ("a",), timeout=0.3)) == "worker_gone"
    assert time.monotonic() - started < 2


async def test_where_no_worker_will_come_every_caller_hears_at_once(socket):
    client = RetrievalClient(socket, hopeless=lambda: True)
    started = time.monotonic()
    codes = await asyncio.gather(*(code_of(client.match(b"d", ("a",))) for _ in range(20)))
    assert codes == ["worker_gone"] * 20
    assert time.monotonic() - started < 1


async def test_a_caller_that_gives_up_costs_the_others_nothing(client, socket):
    def answer_good(request: Request) -> list[bytes]:
        return [b""] if request.body.drawing == b"slow" else obliging(request)

    async with peer(socket, answer_good):
        slow = asyncio.create_task(client.match(b"slow", ("a",)))
        await client.match(b"good", ("a",))
        slow.cancel()
        await asyncio.wait([slow])
        assert slow.cancelled()
        assert await client.match(b"good", ("a",)) == NOTHING


async def test_no_task_of_the_client_runs_between_requests(client, socket):
    async with peer(socket):
        await client.match(b"d", ("a",))
        await asyncio.sleep(0.01)
        names = [str(task.get_coro()) for task in asyncio.all_tasks()]
    assert not [name for name in names if "RetrievalClient" in name or "_Link" in name]
