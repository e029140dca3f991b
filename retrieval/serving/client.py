"""The bot's way to the worker: one connection, many requests at a time.

Loads no torch and no faiss, and keeps no task running between requests: answers come in through an
asyncio protocol. When the worker dies every caller hears so at once; the next request waits for the
new worker until its own deadline.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from retrieval.reports import (
    AddedPhoto,
    BuildReport,
    ChangedPhotos,
    Done,
    PhotoPage,
    PicturesReply,
    PlotReply,
    Progress,
    Statistics,
    VerifyReport,
)
from retrieval.serving import messages
from retrieval.serving.errors import RetrievalError
from retrieval.serving.framing import FrameError, FrameReader, frame
from retrieval.serving.messages import (
    AddPhoto,
    Build,
    CancelBuild,
    Canonical,
    Canonicalise,
    ChangePhotos,
    Collections,
    Curating,
    EditPhoto,
    Explain,
    Explanation,
    Failure,
    Health,
    HealthReport,
    Keeping,
    ListPhotos,
    Match,
    Matches,
    Pictures,
    Plot,
    Reply,
    ReplyBody,
    Request,
    RollBack,
    Showing,
    Status,
    Telling,
    Verify,
)

MATCH_SECONDS = 30.0
ASK_SECONDS = 10.0
READ_SECONDS = 300.0  # for reading whole generations from the disk
BUILD_SECONDS = 24 * 3600.0
# The worker answers an expired request itself; this is for one that can no longer say so.
_GRACE = 1.0
_CONNECT_PAUSE = 0.05
_CRASHES_REMEMBERED = 256
_CRASHES_ALLOWED = 2

Asked = Match | Telling | Build | Status | Health | Curating | Keeping | Showing
_Answer = TypeVar("_Answer")


def _gone() -> RetrievalError:
    return RetrievalError("worker_gone", "The worker stopped before it answered.")


@dataclass(slots=True)
class _Pending:
    """One request's answers, in order; an exception is the last."""

    answers: asyncio.Queue[ReplyBody | RetrievalError] = field(default_factory=asyncio.Queue)
    fingerprint: str | None = None


class RetrievalClient:
    """Ask the worker behind a Unix socket."""

    def __init__(self, socket: Path, hopeless: Callable[[], bool] = lambda: False) -> None:
        """Remember where the worker listens; nothing is connected yet.

        Args:
            socket: the worker's address.
            hopeless: says that no worker will come, so that callers need not wait for one.
        """
        self._socket = socket
        self._hopeless = hopeless
        self._link: _Link | None = None
        self._closed = False
        self._connecting = asyncio.Lock()
        self._ids = itertools.count(1)
        self._crashes: OrderedDict[str, int] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Requests that the worker has and has not answered."""
        return 0 if self._link is None else self._link.waiting

    async def match(
        self,
        drawing: bytes,
        collections: tuple[str, ...],
        k: int = 5,
        timeout: float = MATCH_SECONDS,  # noqa: ASYNC109 - travels with the request as its deadline
    ) -> Matches:
        """Find the photos that look most like a drawing.

        Raises:
            RetrievalError: there is no answer; see its code.
        """
        body = Match(drawing, collections, k)
        return await self._ask_once(body, timeout, Matches, self._fingerprint(drawing))

    async def canonicalise(self, drawing: bytes) -> Canonical:
        """Ask for what the encoder is given of a drawing. Raises RetrievalError."""
        fingerprint = self._fingerprint(drawing)
        return await self._ask_once(Canonicalise(drawing), MATCH_SECONDS, Canonical, fingerprint)

    async def explain(self, asked: Explain) -> Explanation:
        """Ask where a drawing and a photo agree. Raises RetrievalError."""
        fingerprint = self._fingerprint(asked.drawing)
        return await self._ask_once(asked, MATCH_SECONDS, Explanation, fingerprint)

    def _fingerprint(self, drawing: bytes) -> str:
        """Return what a drawing is known by; raises RetrievalError if it stopped the worker."""
        fingerprint = hashlib.sha256(drawing).hexdigest()
        if self._crashes.get(fingerprint, 0) >= _CRASHES_ALLOWED:
            raise RetrievalError("crashed_twice", "This drawing stopped the worker twice.")
        return fingerprint

    async def build(
        self, collection: str, *, full: bool = False
    ) -> AsyncIterator[Progress | BuildReport]:
        """Build a collection's index: yields Progress, and a BuildReport at the end.

        Raises:
            RetrievalError: it could not be built; the old index serves on.
        """
        async with aclosing(self._ask(Build(collection, full), BUILD_SECONDS)) as answers:
            async for answer in answers:
                yield answer if isinstance(answer, Progress) else _expect(answer, BuildReport)

    async def status(self, collections: tuple[str, ...]) -> Collections:
        """Ask what the collections hold. Raises RetrievalError."""
        return await self._ask_once(Status(collections), ASK_SECONDS, Collections)

    async def cancel_build(self, collection: str) -> None:
        """Stop the build that is running. Raises RetrievalError."""
        await self._ask_once(CancelBuild(collection), ASK_SECONDS, Done)

    async def roll_back(self, collection: str, generation: str) -> None:
        """Make a kept generation serve again. Raises RetrievalError."""
        await self._ask_once(RollBack(collection, generation), READ_SECONDS, Done)

    async def verify(self, collection: str) -> VerifyReport:
        """Read a collection's generations byte by byte. Raises RetrievalError."""
        return await self._ask_once(Verify(collection), READ_SECONDS, VerifyReport)

    async def add_photo(self, photo: AddPhoto) -> AddedPhoto:
        """Keep a photo; the next build finds it. Raises RetrievalError."""
        return await self._ask_once(photo, MATCH_SECONDS, AddedPhoto)

    async def edit_photo(self, change: EditPhoto) -> None:
        """Change what is known of a photo. Raises RetrievalError."""
        await self._ask_once(change, ASK_SECONDS, Done)

    async def change_photos(self, change: ChangePhotos) -> tuple[str, ...]:
        """Remove, restore or erase photos; returns those that were there. Raises RetrievalError."""
        return (await self._ask_once(change, MATCH_SECONDS, ChangedPhotos)).photo_ids

    async def list_photos(self, asked: ListPhotos) -> PhotoPage:
        """List some of a collection's photos. Raises RetrievalError."""
        return await self._ask_once(asked, MATCH_SECONDS, PhotoPage)

    async def pictures(
        self, drawings: tuple[bytes, ...], photos: tuple[str, ...], side: int
    ) -> PicturesReply:
        """Make uploads harmless to show, and fetch photos' thumbnails. Raises RetrievalError."""
        return await self._ask_once(Pictures(drawings, photos, side), MATCH_SECONDS, PicturesReply)

    async def plot(self, statistics: Statistics) -> bytes:
        """Draw the chart of statistics; returns a PNG. Raises RetrievalError."""
        return (await self._ask_once(Plot(statistics), MATCH_SECONDS, PlotReply)).picture

    async def health(self) -> HealthReport:
        """Ask how the worker is. Raises RetrievalError."""
        return await self._ask_once(Health(), ASK_SECONDS, HealthReport)

    async def close(self) -> None:
        """Drop the connection for good; whoever still waits is told that the worker is gone."""
        self._closed = True
        if self._link is not None:
            self._link.close()

    async def _ask_once(
        self,
        body: Asked,
        seconds: float,
        kind: type[_Answer],
        fingerprint: str | None = None,
    ) -> _Answer:
        async with aclosing(self._ask(body, seconds, fingerprint)) as answers:
            return _expect(await anext(answers), kind)

    async def _ask(
        self, body: Asked, seconds: float, fingerprint: str | None = None
    ) -> AsyncGenerator[ReplyBody, None]:
        deadline = time.time() + seconds
        pending = _Pending(fingerprint=fingerprint)
        request = Request(next(self._ids), deadline, body)
        try:
            async with asyncio.timeout(seconds + _GRACE):
                link = await self._connected(deadline)
                link.send(request, pending)
                while True:
                    answer = await pending.answers.get()
                    if isinstance(answer, RetrievalError):
                        raise answer
                    yield answer
                    if not isinstance(answer, Progress):
                        return
        except TimeoutError:
            raise RetrievalError("expired", "The worker did not answer in time.") from None
        finally:
            if self._link is not None:
                self._link.forget(request.id)

    async def _connected(self, deadline: float) -> _Link:
        async with self._connecting:
            while self._link is None or self._link.lost:
                try:
                    _, self._link = await asyncio.get_running_loop().create_unix_connection(
                        lambda: _Link(self._blame), str(self._socket)
                    )
                    await self._link.greet(Request(next(self._ids), deadline, Health()))
                except (OSError, RetrievalError) as error:
                    if isinstance(error, RetrievalError) and error.code != "worker_gone":
                        raise
                    # No worker yet, or a new one is starting.
                    hopeless = self._closed or self._hopeless()
                    if hopeless or messages.remaining(deadline) <= 0:
                        raise RetrievalError(
                            "worker_gone", "The worker cannot be reached."
                        ) from None
                    await asyncio.sleep(_CONNECT_PAUSE)
            return self._link

    def _blame(self, fingerprint: str) -> None:
        """Remember that this drawing was at work when the worker died."""
        self._crashes[fingerprint] = self._crashes.pop(fingerprint, 0) + 1
        while len(self._crashes) > _CRASHES_REMEMBERED:
            self._crashes.popitem(last=False)


class _Link(asyncio.Protocol):
    """One connection to one worker."""

    def __init__(self, blame: Callable[[str], None]) -> None:
        self._blame = blame
        self._frames = FrameReader()
        self._pending: dict[int, _Pending] = {}
        self._transport: asyncio.Transport | None = None
        self._closed_here = False
        self.lost = False

    def send(self, request: Request, pending: _Pending) -> None:
        if self.lost or self._transport is None:
            raise _gone()
        try:
            payload = frame(messages.encode(request))
        except FrameError as error:
            raise RetrievalError("too_large", str(error)) from error
        self._pending[request.id] = pending
        self._transport.write(payload)

    async def greet(self, request: Request) -> None:
        """Wait for a first answer: a process that is being killed still takes connections."""
        pending = _Pending()
        self.send(request, pending)
        answer = await pending.answers.get()
        self.forget(request.id)
        if isinstance(answer, RetrievalError):
            raise answer

    @property
    def waiting(self) -> int:
        return len(self._pending)

    def forget(self, request_id: int) -> None:
        self._pending.pop(request_id, None)

    def close(self) -> None:
        self._closed_here = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                self._deliver(messages.decode_reply(payload))
        except (ValueError, RecursionError):  # no frame, or no reply in it
            # Another version's worker, or no worker at all: nothing more to be had from it.
            self._fail_all(RetrievalError("protocol", "The worker speaks otherwise."))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self._closed_here:
            for pending in self._pending.values():
                if pending.fingerprint is not None:
                    self._blame(pending.fingerprint)
        self._fail_all(_gone())

    def _deliver(self, reply: Reply) -> None:
        if pending := self._pending.get(reply.id):
            body = reply.body
            pending.answers.put_nowait(
                RetrievalError.of(body) if isinstance(body, Failure) else body
            )

    def _fail_all(self, error: RetrievalError) -> None:
        for pending in self._pending.values():
            pending.answers.put_nowait(error)
        self._pending.clear()


def _expect(answer: ReplyBody, kind: type[_Answer]) -> _Answer:
    if not isinstance(answer, kind):
        raise RetrievalError("protocol", f"expected {kind.__name__}")
    return answer
