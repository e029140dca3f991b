"""Put single drawings into batches for the encoder, ahead of all that has more time.

One thread runs the encoder. Before each run the waiting drawings are taken together, up to a
batch; only when none waits is a drawing compared with a photo, and only when none is about to come
is a rebuild's chunk of photos run. Whoever gave up waiting, or whose deadline has passed, is left
out before the encoder and not after it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from retrieval.embeddings import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

Embed = Callable[["Sequence[Tensor]"], FloatArray]
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")

# A rebuild goes on, slowly, however many drawings come.
_PATIENCE = 1.0
_GLANCE = 0.005


class ExpiredError(TimeoutError):
    """The deadline passed before the encoder was reached."""


def in_time(
    deadline: float, function: Callable[[_Argument], _Result], argument: _Argument
) -> _Result:
    """Call a function, or raise ExpiredError: its turn may come after the deadline."""
    if time.time() >= deadline:
        raise ExpiredError
    return function(argument)


@dataclass(slots=True)
class _Waiting:
    run: Embed
    inputs: Sequence[Tensor]
    deadline: float  # seconds since the Unix epoch
    future: asyncio.Future[FloatArray]
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """Dynamic batches of drawings first; then pairs, and photos when there is nothing else."""

    def __init__(
        self,
        embed_sketches: Embed,
        embed_photos: Embed,
        max_batch: int = 16,
        linger: float = 0.004,
    ) -> None:
        """Take the encoder's two functions.

        Args:
            embed_sketches, embed_photos: called in the encoder's thread.
            max_batch: drawings in a run at most.
            linger: seconds to wait for more drawings after the first.
        """
        self._embed_sketches = embed_sketches
        self._embed_photos = embed_photos
        self._max_batch = max_batch
        self._linger = linger
        self._drawings: deque[_Waiting] = deque()
        self._pairs: deque[_Waiting] = deque()
        self._photos: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._task: asyncio.Task[None] | None = None
        self._expected = 0
        self._last_photos = float("-inf")
        self.batches = 0

    def start(self) -> None:
        """Begin to run batches on the running event loop."""
        self._task = asyncio.create_task(self._run(), name="batcher")

    async def stop(self) -> None:
        """Stop; whoever still waits, for the batch at work or behind it, is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for waiting in (*self._drawings, *self._pairs, *self._photos):
            waiting.future.cancel()
        self._thread.shutdown(wait=False)

    @property
    def queued(self) -> int:
        """Drawings that wait for the encoder."""
        return len(self._drawings)

    @property
    def queue_age(self) -> float:
        """Seconds that the oldest of them has waited."""
        return time.monotonic() - self._drawings[0].since if self._drawings else 0.0

    async def embed_drawing(self, network_input: Tensor, deadline: float) -> FloatArray:
        """Return a drawing's embedding, shape (dim,).

        Raises:
            ExpiredError: the deadline passed first.
        """
        vectors = await self._submit(
            self._drawings, self._embed_sketches, [network_input], deadline
        )
        embedding: FloatArray = vectors[0]
        return embedding

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Say that a drawing will come in a moment: no photos are begun that it would wait for."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    async def embed_photos(self, inputs: Sequence[Tensor]) -> FloatArray:
        """Return photos' embeddings, shape (n, dim); gives way to every drawing."""
        return await self._submit(self._photos, self._embed_photos, inputs, float("inf"))

    async def compare(self, run: Embed, pair: Sequence[Tensor], deadline: float) -> FloatArray:
        """Return what `run` makes of a drawing and a photo, called in the encoder's thread.

        Raises:
            ExpiredError: the deadline passed first.
        """
        return await self._submit(self._pairs, run, pair, deadline)

    async def _submit(
        self, lane: deque[_Waiting], run: Embed, inputs: Sequence[Tensor], deadline: float
    ) -> FloatArray:
        future: asyncio.Future[FloatArray] = asyncio.get_running_loop().create_future()
        lane.append(_Waiting(run, inputs, deadline, future))
        self._arrived.set()
        return await future

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if self._drawings and len(self._drawings) < self._max_batch:
                await asyncio.sleep(self._linger)
            if batch := self._take(self._drawings, self._max_batch) or self._take(self._pairs, 1):
                await self._run_batch(batch)
            elif self._photos and self._gives_way():
                await asyncio.sleep(_GLANCE)
            elif batch := self._take(self._photos, 1):
                await self._run_batch(batch)
                self._last_photos = time.monotonic()
            elif not (self._drawings or self._pairs or self._photos):
                self._arrived.clear()

    def _gives_way(self) -> bool:
        return self._expected > 0 and time.monotonic() - self._last_photos < _PATIENCE

    @staticmethod
    def _take(lane: deque[_Waiting], most: int) -> list[_Waiting]:
        taken: list[_Waiting] = []
        while lane and len(taken) < most:
            waiting = lane.popleft()
            if waiting.future.done():
                continue  # its caller has gone
            if time.time() >= waiting.deadline:
                waiting.future.set_exception(ExpiredError())
                continue
            taken.append(waiting)
        return taken

    async def _run_batch(self, batch: list[_Waiting]) -> None:
        inputs = [item for waiting in batch for item in waiting.inputs]
        self.batches += 1
        try:
            vectors = await asyncio.get_running_loop().run_in_executor(
                self._thread, batch[0].run, inputs
            )
        except asyncio.CancelledError:
            for waiting in batch:
                waiting.future.cancel()
            raise
        except Exception as error:
            for waiting in batch:
                if not waiting.future.done():
                    waiting.future.set_exception(error)
            return
        start = 0
        for waiting in batch:
            end = start + len(waiting.inputs)
            if not waiting.future.done():
                waiting.future.set_result(vectors[start:end])
            start = end
