"""The worker process: answers requests on a Unix socket with one encoder and its indexes.

It listens before torch is even imported, so that whoever asks is answered, or waits, from the first
moment. A drawing is decoded in a small pool of threads, encoded in a batch with others, and
searched for; a build runs in a thread of its own and hands its photos to the same encoder.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import structlog

from retrieval.embeddings import FloatArray
from retrieval.home import CollectionNameError, Home
from retrieval.reports import Progress
from retrieval.serving import messages
from retrieval.serving.batching import Batcher, ExpiredError
from retrieval.serving.errors import RetrievalError
from retrieval.serving.framing import FrameReader, frame
from retrieval.serving.messages import (
    Build,
    Collections,
    Failure,
    Health,
    HealthReport,
    Match,
    Matches,
    Reply,
    ReplyBody,
    Request,
    Status,
)

if TYPE_CHECKING:
    from torch import Tensor

    from retrieval.encoder import Encoder
    from retrieval.serving.engine import Engine

log = structlog.get_logger(__name__)

MAX_MATCHES_AT_ONCE = 128
MAX_K = 20
_PREPARERS = 2

Send = Callable[[ReplyBody], None]
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


class Worker:
    """Answers requests; knows nothing of sockets."""

    def __init__(self, home: Home, device: str) -> None:
        """Remember what to load; :meth:`load` does it."""
        self._home = home
        self._device = device
        self._engine: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()
        self._batcher: Batcher | None = None
        self._preparers = ThreadPoolExecutor(_PREPARERS, thread_name_prefix="drawing")
        self._builders = ThreadPoolExecutor(2, thread_name_prefix="build")
        self._started = time.monotonic()
        self._matching = 0
        self._answered = 0
        self._seconds_each = 0.05  # a running mean, for telling how long the queue is

    async def load(self) -> None:
        """Load the encoder; drawings that came before wait for this."""
        encoder, engine = await asyncio.to_thread(_load, self._home, self._device)
        self._batcher = Batcher(encoder.embed_sketches, encoder.embed_photos)
        self._batcher.start()
        self._engine.set_result(engine)
        log.info("encoder loaded", encoder=encoder.name, device=str(encoder.device))

    async def close(self) -> None:
        """Stop the encoder's thread and the pools."""
        if self._batcher is not None:
            await self._batcher.stop()
        self._preparers.shutdown(wait=False, cancel_futures=True)
        self._builders.shutdown(wait=False, cancel_futures=True)

    async def answer(self, request: Request, send: Send) -> None:
        """Answer one request; whatever happens, something is sent."""
        body = request.body
        try:
            if request.protocol != messages.PROTOCOL:
                detail = f"The worker speaks protocol {messages.PROTOCOL}."
                send(Failure("protocol", detail))
            elif isinstance(body, Health):
                send(self._health())
            else:
                async with asyncio.timeout(messages.remaining(request.deadline)):
                    engine = await asyncio.shield(self._engine)
                if isinstance(body, Match):
                    send(await self._admit(engine, body, request.deadline))
                elif isinstance(body, Status):
                    found = await asyncio.to_thread(engine.status, body.collections)
                    send(Collections(found, engine.encoder_label))
                else:
                    await self._build(engine, body, send)
        except TimeoutError:
            send(Failure("expired", "The deadline passed before the work was done."))
        except RetrievalError as error:
            send(error.failure)
        except CollectionNameError as error:
            send(Failure("unknown_collection", str(error)))
        except asyncio.CancelledError:
            send(Failure("worker_gone", "The worker is stopping."))
            raise
        except Exception:
            incident = secrets.token_hex(4)
            log.exception("request failed", incident=incident, kind=type(body).__name__)
            send(Failure("internal", incident))

    async def _admit(self, engine: Engine, request: Match, deadline: float) -> Matches:
        if self._matching >= MAX_MATCHES_AT_ONCE:
            wait = round(self._matching * self._seconds_each, 1)
            raise RetrievalError("busy", "Too many drawings are waiting.", max(1.0, wait))
        self._matching += 1
        started = time.monotonic()
        try:
            return await self._match(engine, request, deadline)
        finally:
            each = (time.monotonic() - started) / self._matching
            self._seconds_each += 0.1 * (each - self._seconds_each)
            self._matching -= 1
            self._answered += 1

    async def _match(self, engine: Engine, request: Match, deadline: float) -> Matches:
        loop = asyncio.get_running_loop()
        assert self._batcher is not None  # noqa: S101 - load() made it before the engine
        # Deadlines are looked at again where the thread takes the work up: it may have waited.
        prepared = await loop.run_in_executor(
            self._preparers, partial(_in_time, deadline, engine.prepare, request.drawing)
        )
        started = time.perf_counter()
        vector = await self._batcher.embed_drawing(prepared.network_input, deadline)
        encode_ms = round((time.perf_counter() - started) * 1000, 2)
        k = max(1, min(request.k, MAX_K))
        return await loop.run_in_executor(
            self._preparers,
            partial(engine.search, prepared, vector, request.collections, k, encode_ms),
        )

    async def _build(self, engine: Engine, request: Build, send: Send) -> None:
        loop = asyncio.get_running_loop()
        assert self._batcher is not None  # noqa: S101 - load() made it before the engine
        embedder = _SharedEncoder(engine.encoder, self._batcher, loop)

        def report(progress: Progress) -> None:
            loop.call_soon_threadsafe(send, progress)

        done = await loop.run_in_executor(
            self._builders, partial(engine.build, request.collection, report, embedder)
        )
        log.info("index built", collection=done.collection, generation=done.generation)
        send(done)

    def _health(self) -> HealthReport:
        ready = self._engine.done()
        encoder = self._engine.result() if ready else None
        return HealthReport(
            ready=ready,
            device=str(encoder.encoder.device) if encoder else self._device,
            encoder=encoder.encoder_label if encoder else "",
            queued=self._matching,
            queue_age=round(self._batcher.queue_age, 3) if self._batcher else 0.0,
            answered=self._answered,
            batches=self._batcher.batches if self._batcher else 0,
            uptime=round(time.monotonic() - self._started, 1),
        )


def _load(home: Home, device: str) -> tuple[Encoder, Engine]:
    import torch  # noqa: PLC0415 - takes seconds

    from retrieval.encoder import load_encoder  # noqa: PLC0415
    from retrieval.serving.engine import Engine  # noqa: PLC0415

    # Measured on 2 cores: one thread encodes a drawing in 26 ms, two in 24 ms alone and in 160 ms
    # and more beside other work. The other cores read uploads and keep the bot awake.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    encoder = load_encoder(None, device)
    return encoder, Engine(home, encoder)


def _in_time(
    deadline: float, function: Callable[[_Argument], _Result], argument: _Argument
) -> _Result:
    if time.time() >= deadline:
        raise ExpiredError
    return function(argument)


class _SharedEncoder:
    """The encoder as a build sees it: photos wait in the batcher's second lane."""

    # Small, because a drawing that comes now waits until such a chunk is done.
    CHUNK = 4

    def __init__(self, encoder: Encoder, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        self.name = encoder.name
        self.digest = encoder.digest
        self.preprocessing = encoder.preprocessing
        self.dim = encoder.dim
        self.prepare_photo = encoder.prepare_photo
        self._batcher = batcher
        self._loop = loop

    def embed_photos(self, batch: Sequence[Tensor]) -> FloatArray:
        chunks = [batch[start : start + self.CHUNK] for start in range(0, len(batch), self.CHUNK)]
        return np.concatenate(
            [
                asyncio.run_coroutine_threadsafe(
                    self._batcher.embed_photos(chunk), self._loop
                ).result()
                for chunk in chunks
            ]
        )


class _Connection(asyncio.Protocol):
    """One client. Requests are answered as they are done, not in the order they came."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._frames = FrameReader()
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                request = messages.decode_request(payload)
                task = asyncio.create_task(
                    self._worker.answer(request, partial(self._send, request.id))
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (ValueError, RecursionError) as error:  # no frame, or no request in it
            log.warning("a client spoke otherwise and was dropped", error=str(error))
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        # Nobody is left to answer. A build goes on in its thread: half of it would be lost work.
        for task in self._tasks:
            task.cancel()

    def _send(self, request_id: int, body: ReplyBody) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(messages.encode(Reply(request_id, body))))


async def serve(home: Home, socket: Path, device: str, leave_with_parent: bool) -> None:
    """Answer requests on ``socket`` until SIGTERM or SIGINT, or until the parent has gone.

    Raises:
        OSError: another worker listens there already.
    """
    await _claim(socket)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if leave_with_parent:
        # Our standard input is a pipe that the parent holds: it ends when the parent does.
        loop.add_reader(sys.stdin.fileno(), partial(_parent_left, loop, stop))
    worker = Worker(home, device)
    server = await loop.create_unix_server(lambda: _Connection(worker), str(socket))
    socket.chmod(0o600)
    loading = asyncio.create_task(worker.load())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()  # an encoder that cannot be loaded ends the process, with its reason
        await stopping
    finally:
        server.close()
        socket.unlink(missing_ok=True)
        await worker.close()


def _parent_left(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


async def _claim(socket: Path) -> None:
    """Make sure that nobody listens on ``socket``; asyncio clears away what a dead worker left."""
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if socket.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{socket.parent} belongs to somebody else")
    try:
        _, writer = await asyncio.open_unix_connection(str(socket))
    except (FileNotFoundError, ConnectionRefusedError):
        return
    writer.close()
    raise OSError(f"another worker is listening on {socket}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a worker (``python -m retrieval.serving.worker``)."""
    parser = argparse.ArgumentParser(description="The retrieval worker of Magic Pencil.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--leave-with-parent", action="store_true")
    options = parser.parse_args(arguments)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # On a small machine the bot's heartbeat comes before our arithmetic.
    os.nice(5)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            serve(Home(options.home), options.socket, options.device, options.leave_with_parent)
        )
    # The encoder's thread may be in the middle of a batch that nobody waits for.
    os._exit(0)


if __name__ == "__main__":
    main()
