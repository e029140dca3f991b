"""Answers requests with one encoder and its indexes; knows nothing of sockets.

A drawing is decoded in a small pool of threads, encoded in a batch with others, and searched for; a
build runs in a thread of its own and hands its photos to the same encoder. When the home chooses
another encoder it is loaded beside this one, and takes over between two drawings.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import structlog

from retrieval import library, readahead
from retrieval.curation import kept_collections
from retrieval.embeddings import FloatArray
from retrieval.home import CollectionNameError, Home
from retrieval.reports import Progress
from retrieval.serving import messages
from retrieval.serving.batching import Batcher, in_time
from retrieval.serving.curating import curate, expire
from retrieval.serving.errors import RetrievalError
from retrieval.serving.explaining import Explainer
from retrieval.serving.messages import (
    Build,
    Canonicalise,
    Collections,
    Explain,
    Failure,
    Health,
    HealthReport,
    Match,
    Matches,
    ReplyBody,
    Request,
    Status,
)
from retrieval.serving.turns import Gate, Serving, stamp

if TYPE_CHECKING:
    from torch import Tensor

    from retrieval.encoder import Encoder
    from retrieval.serving.engine import Engine

log = structlog.get_logger(__name__)

MAX_MATCHES_AT_ONCE = 128
MAX_K = 20
_PREPARERS = 2
_EXPIRE_SECONDS = 3600
_LOOK_SECONDS = 1.0  # between two looks at which encoder is chosen
_AGAIN_SECONDS = 10.0  # after it could not be changed

Send = Callable[[ReplyBody], None]
_Result = TypeVar("_Result")


class Worker:
    """Loads the encoder and answers requests, many at a time."""

    def __init__(self, home: Home, device: str) -> None:
        """Remember what to load; :meth:`load` does it."""
        self._home = home
        self._device = device
        self._serving: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
        self._gate = Gate()
        self._stamp = (0, 0)
        self._preparers = ThreadPoolExecutor(_PREPARERS, thread_name_prefix="drawing")
        self._explainer = Explainer(self._preparers)
        self._builders = ThreadPoolExecutor(
            2, thread_name_prefix="build", initializer=readahead.step_back
        )
        self._started = time.monotonic()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._matching = 0
        self._answered = 0
        self._seconds_each = 0.05  # a running mean, for telling how long the queue is

    async def load(self) -> None:
        """Load the encoder; drawings that came before wait for this."""
        self._serving.set_result(await self._begin())
        for task in (self._look_after(), self._watch()):
            self._keep(asyncio.create_task(task))

    async def _begin(self) -> Serving:
        """Load the encoder that the home has chosen."""
        self._stamp = stamp(self._home)
        encoder, engine = await asyncio.to_thread(_load, self._home, self._device)
        batcher = Batcher(encoder.embed_sketches, encoder.embed_photos)
        batcher.start()
        log.info("encoder loaded", encoder=encoder.name, device=str(encoder.device))
        return Serving(engine, batcher)

    def _keep(self, task: asyncio.Task[_Result]) -> asyncio.Task[_Result]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watch(self) -> None:
        """Change the encoder when the home has chosen another; a failure is tried again."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if (now := stamp(self._home)) == self._stamp:
                continue
            try:
                if _chosen(self._home) == self._serving.result().engine.encoder.digest:
                    self._stamp = now  # something else is written there, such as what is forgotten
                else:
                    await self._change()
            except Exception as error:
                self._stamp = (-1, -1)
                log.warning("encoder not changed", reason=str(error), kind=type(error).__name__)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _change(self) -> None:
        """Let the chosen encoder take over; whoever is being answered is not disturbed."""
        new = await self._begin()
        old = self._serving.result()
        try:
            await self._catch_up(new)  # may take long: the old one answers and builds meanwhile
            async with self._gate.alone():
                # No build is between the photos as they are now and the index that takes over.
                await self._catch_up(new)
                self._serving = asyncio.get_running_loop().create_future()
                self._serving.set_result(new)
        except BaseException:
            await new.batcher.stop()
            raise
        log.info("encoder changed", encoder=new.engine.encoder_label)
        while old.users:  # noqa: ASYNC110 - a few milliseconds, once
            await asyncio.sleep(0.02)
        await old.batcher.stop()
        await self._index_kept()

    async def _catch_up(self, new: Serving) -> None:
        """Bring what moderators change up to date for an encoder, and what it has no index of."""
        kept = set(await asyncio.to_thread(lambda: list(kept_collections(self._home))))
        for name in await asyncio.to_thread(library.names, self._home):
            if name in kept:
                await self._build_with(new, Build(name), lambda _: None, staged=True)
            elif await asyncio.to_thread(new.engine.lacks, name):
                try:
                    await self._build_with(new, Build(name), lambda _: None, staged=True)
                except (RetrievalError, OSError) as error:
                    log.warning("collection not indexed", collection=name, reason=str(error))

    async def _index_kept(self) -> None:
        for name in await asyncio.to_thread(lambda: list(kept_collections(self._home))):
            try:
                await self._build(Build(name), lambda _: None)
            except RetrievalError as error:
                log.warning("index not brought up to date", collection=name, reason=str(error))
            except Exception:  # whatever is wrong with one, the others and the photos go on
                log.exception("index not brought up to date", collection=name)

    async def _look_after(self) -> None:
        """Index what was changed when we last stopped; then and every hour, let removed photos go.

        A photo that was taken away in the moment of a crash must not be found any more.
        """
        await self._index_kept()
        while True:
            try:
                if gone := await asyncio.to_thread(expire, self._home):
                    log.info("removed photos deleted", photos=gone)
            except Exception:  # a cache that is locked now is not in an hour
                log.exception("removed photos not deleted")
            await asyncio.sleep(_EXPIRE_SECONDS)

    async def close(self) -> None:
        """Stop the encoder's thread and the pools."""
        for task in list(self._tasks):
            task.cancel()
        if self._serving.done():
            await self._serving.result().batcher.stop()
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
                    serving = await asyncio.shield(self._serving)
                engine = serving.engine
                if isinstance(body, Match | Canonicalise | Explain):
                    with serving.used():
                        send(await self._look(serving, body, request.deadline))
                elif isinstance(body, Status):
                    found = await asyncio.to_thread(engine.status, body.collections)
                    send(Collections(found, engine.encoder_label))
                elif isinstance(body, Build):
                    await self._build(body, send)
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

    async def _look(
        self, serving: Serving, asked: Match | Canonicalise | Explain, deadline: float
    ) -> ReplyBody:
        if isinstance(asked, Match):
            return await self._admit(serving, asked, deadline)
        return await self._explainer.answer(serving, asked, deadline)

    async def _admit(self, serving: Serving, request: Match, deadline: float) -> Matches:
        if self._matching >= MAX_MATCHES_AT_ONCE:
            wait = round(self._matching * self._seconds_each, 1)
            raise RetrievalError("busy", "Too many drawings are waiting.", max(1.0, wait))
        self._matching += 1
        started = time.monotonic()
        try:
            return await self._match(serving, request, deadline)
        finally:
            each = (time.monotonic() - started) / self._matching
            self._seconds_each += 0.1 * (each - self._seconds_each)
            self._matching -= 1
            self._answered += 1

    async def _match(self, serving: Serving, request: Match, deadline: float) -> Matches:
        loop = asyncio.get_running_loop()
        engine, batcher = serving.engine, serving.batcher
        # Deadlines are looked at again where the thread takes the work up: it may have waited.
        with batcher.expecting():
            prepared = await loop.run_in_executor(
                self._preparers, partial(in_time, deadline, engine.prepare, request.drawing)
            )
            started = time.perf_counter()
            vector = await batcher.embed_drawing(prepared.network_input, deadline)
        encode_ms = round((time.perf_counter() - started) * 1000, 2)
        k = max(1, min(request.k, MAX_K))
        return await loop.run_in_executor(
            self._preparers,
            partial(engine.search, prepared, vector, request.collections, k, encode_ms),
        )

    async def _build(self, request: Build, send: Send) -> None:
        """Build with the encoder that serves; goes on if its caller has gone."""

        async def run() -> None:
            async with self._gate.shared():
                await self._build_with(self._serving.result(), request, send)

        await asyncio.shield(self._keep(asyncio.create_task(run())))

    async def _build_with(
        self, serving: Serving, request: Build, send: Send, *, staged: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        engine = serving.engine
        embedder = _SharedEncoder(engine.encoder, serving.batcher, loop)

        def report(progress: Progress) -> None:
            loop.call_soon_threadsafe(send, progress)

        build = partial(engine.build, request.collection, report, embedder)
        done = await loop.run_in_executor(
            self._builders, partial(build, full=request.full, staged=staged)
        )
        log.info("index built", collection=done.collection, generation=done.generation)
        send(done)

    def _health(self) -> HealthReport:
        serving = self._serving.result() if self._serving.done() else None
        engine = serving.engine if serving else None
        return HealthReport(
            ready=serving is not None,
            device=str(engine.encoder.device) if engine else self._device,
            encoder=engine.encoder_label if engine else "",
            queued=self._matching,
            queue_age=round(serving.batcher.queue_age, 3) if serving else 0.0,
            answered=self._answered,
            batches=serving.batcher.batches if serving else 0,
            uptime=round(time.monotonic() - self._started, 1),
        )


def _load(home: Home, device: str) -> tuple[Encoder, Engine]:
    import torch  # noqa: PLC0415 - takes seconds

    from retrieval import encoders  # noqa: PLC0415
    from retrieval.serving.engine import Engine  # noqa: PLC0415

    # Measured on 2 cores: one thread encodes a drawing in 26 ms, two in 24 ms alone and in 160 ms
    # and more beside other work. The other cores read uploads and keep the bot awake.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    encoder = encoders.load_current(home, device)
    return encoder, Engine(home, encoder)


def _chosen(home: Home) -> str:
    from retrieval import encoders  # noqa: PLC0415 - brings torch

    return encoders.current_digest(home)


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
