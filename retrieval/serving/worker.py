"""Answers requests with one encoder and its indexes; knows nothing of sockets.

A drawing is decoded in a small pool of threads, encoded in a batch with others, and searched for; a
build runs in a thread of its own and hands its photos to the same encoder.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import structlog

from retrieval import readahead
from retrieval.curation import kept_collections
from retrieval.embeddings import FloatArray
from retrieval.home import CollectionNameError, Home
from retrieval.reports import Progress
from retrieval.serving import messages
from retrieval.serving.batching import Batcher, ExpiredError
from retrieval.serving.curating import curate, expire
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import (
    Build,
    Collections,
    Failure,
    Health,
    HealthReport,
    Match,
    Matches,
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
_EXPIRE_SECONDS = 3600

Send = Callable[[ReplyBody], None]
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


class Worker:
    """Loads the encoder and answers requests, many at a time."""

    def __init__(self, home: Home, device: str) -> None:
        """Remember what to load; :meth:`load` does it."""
        self._home = home
        self._device = device
        self._engine: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()
        self._batcher: Batcher | None = None
        self._preparers = ThreadPoolExecutor(_PREPARERS, thread_name_prefix="drawing")
        self._builders = ThreadPoolExecutor(
            2, thread_name_prefix="build", initializer=readahead.step_back
        )
        self._started = time.monotonic()
        self._upkeep: asyncio.Task[None] | None = None
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
        self._upkeep = asyncio.create_task(self._look_after())

    async def _look_after(self) -> None:
        """Index what was changed when we last stopped; then and every hour, let removed photos go.

        A photo that was taken away in the moment of a crash must not be found any more.
        """
        for name in await asyncio.to_thread(lambda: list(kept_collections(self._home))):
            try:
                await self._build(self._engine.result(), Build(name), lambda _: None)
            except RetrievalError as error:
                log.warning("index not brought up to date", collection=name, reason=str(error))
            except Exception:  # whatever is wrong with one, the others and the photos go on
                log.exception("index not brought up to date", collection=name)
        while True:
            try:
                if gone := await asyncio.to_thread(expire, self._home):
                    log.info("removed photos deleted", photos=gone)
            except Exception:  # a cache that is locked now is not in an hour
                log.exception("removed photos not deleted")
            await asyncio.sleep(_EXPIRE_SECONDS)

    async def close(self) -> None:
        """Stop the encoder's thread and the pools."""
        if self._upkeep is not None:
            self._upkeep.cancel()
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
                elif isinstance(body, Build):
                    await self._build(engine, body, send)
                else:
                    send(await asyncio.to_thread(curate, self._home, body))
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
        with self._batcher.expecting():
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
            self._builders,
            partial(engine.build, request.collection, report, embedder, full=request.full),
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

    def __init__(self, encoder: Encoder, batcher: Batcher, loop: asyncio.AbstractEventLoop) -> None:
        self.name = encoder.name
        self.digest = encoder.digest
        self.preprocessing = encoder.preprocessing
        self.dim = encoder.dim
        self.prepare_photo = encoder.prepare_photo
        # Small, because a drawing that comes now waits until such a chunk is done.
        self._chunk = 1 if encoder.device.type == "cpu" else 16
        self._batcher = batcher
        self._loop = loop

    def embed_photos(self, batch: Sequence[Tensor]) -> FloatArray:
        starts = range(0, len(batch), self._chunk)
        chunks = [batch[start : start + self._chunk] for start in starts]
        return np.concatenate(
            [
                asyncio.run_coroutine_threadsafe(
                    self._batcher.embed_photos(chunk), self._loop
                ).result()
                for chunk in chunks
            ]
        )
