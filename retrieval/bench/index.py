"""How much a rebuild costs when nothing changed, and what members feel of one that goes on.

A worker process of its own indexes generated photographs, as the bot would have it do; drawings are
sent to it one after the other, idle and during a full rebuild, in turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from retrieval import images, library
from retrieval.bench.encode import drawing, make_photos
from retrieval.home import Home
from retrieval.reports import BuildReport, Progress
from retrieval.serving.client import RetrievalClient
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import AddPhoto
from retrieval.serving.supervisor import worker_command

_COLLECTION: Final = "bench"
_ROUNDS: Final = 3
_ASKED: Final = 25  # drawings a round, idle and during a rebuild
_START_SECONDS: Final = 120


class Report(msgspec.Struct, frozen=True):
    """What was measured. Seconds but for the ratios and the medians, which are milliseconds."""

    photos: int
    device: str
    first_s: float
    rebuild_unchanged_s: float
    rebuild_unchanged_over_first: float
    findable_s: float
    matching_idle_ms: float
    matching_during_rebuild_ms: float
    matching_during_rebuild_over_idle: float


def measure(count: int, device: str, note: Callable[[str], None]) -> Report:
    """Index `count` generated photographs and do what the report tells of."""
    with tempfile.TemporaryDirectory(prefix="magic-pencil-bench-") as folder:
        home = Home(Path(folder) / "home")
        note(f"Painting {count:,} photographs")
        made = make_photos(Path(folder) / "made", count)
        process = subprocess.Popen(
            worker_command(home.root, home.socket, device), stdin=subprocess.PIPE
        )
        try:
            return asyncio.run(_measure(home, made, device, note))
        finally:
            process.terminate()
            process.wait(20)


async def _measure(
    home: Home, photos: Sequence[Path], device: str, note: Callable[[str], None]
) -> Report:
    client = RetrievalClient(home.socket)
    await _ready(client)
    _move_in(home, photos)  # only now: what is there when a worker starts, it indexes unasked
    note("Building the first index")
    first = await _build(client)
    note("Building again with nothing changed")
    unchanged = statistics.median([await _build(client) for _ in range(_ROUNDS)])
    note("Adding one photo")
    findable = await _findable(client)
    note("Matching, idle and during a full rebuild, in turns")
    idle, busy = await _matching(client)
    await client.close()
    return Report(
        photos=len(photos),
        device=device,
        first_s=round(first, 2),
        rebuild_unchanged_s=round(unchanged, 3),
        rebuild_unchanged_over_first=round(unchanged / first, 4),
        findable_s=round(findable, 2),
        matching_idle_ms=round(1000 * idle, 1),
        matching_during_rebuild_ms=round(1000 * busy, 1),
        matching_during_rebuild_over_idle=round(busy / idle, 3),
    )


def _move_in(home: Home, photos: Sequence[Path]) -> None:
    """Put photos where a server's own lie, so that one can be added through the worker."""
    kept = home.collection(_COLLECTION) / "photos"
    for file in photos:
        target = kept / file.stem[:2] / file.stem
        target.mkdir(parents=True)
        file.rename(target / "photo.jpg")
    library.register(home, _COLLECTION, kept, by="moderators")


async def _ready(client: RetrievalClient) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            with contextlib.suppress(RetrievalError):
                if (await client.health()).ready:
                    return
            await asyncio.sleep(0.1)


async def _build(client: RetrievalClient) -> float:
    started = time.perf_counter()
    async for _ in client.build(_COLLECTION):
        pass
    return time.perf_counter() - started


async def _findable(client: RetrievalClient) -> float:
    """Add a photo that is the drawing itself, and return how long until it is found first."""
    asked = _png()
    started = time.perf_counter()
    added = await client.add_photo(AddPhoto(_COLLECTION, asked, "The drawing"))
    async for _ in client.build(_COLLECTION):
        pass
    while True:
        found = await client.match(asked, (_COLLECTION,), 20)
        if any(match.photo_id == added.photo_id for match in found.matches):
            return time.perf_counter() - started
        if time.perf_counter() - started > _START_SECONDS:
            raise TimeoutError("the photo that was added is not found")
        await asyncio.sleep(0.05)


async def _matching(client: RetrievalClient) -> tuple[float, float]:
    """Return the median seconds of an answer, idle and while every photo is encoded again."""
    idle: list[float] = []
    busy: list[float] = []
    await _ask(client)
    for _ in range(_ROUNDS):
        idle += [await _ask(client) for _ in range(_ASKED)]
        encoding = asyncio.Event()
        rebuild = asyncio.create_task(_rebuild(client, encoding))
        await encoding.wait()
        for _ in range(_ASKED):
            seconds = await _ask(client)
            if rebuild.done():
                break  # too few photos for so many drawings
            busy.append(seconds)
        with contextlib.suppress(RetrievalError):  # it may have ended by itself
            await client.cancel_build(_COLLECTION)
        await rebuild
    if not busy:
        raise RuntimeError("the rebuild was over before a drawing was answered: give more photos")
    return statistics.median(idle), statistics.median(busy)


async def _rebuild(client: RetrievalClient, encoding: asyncio.Event) -> BuildReport | None:
    try:
        async for update in client.build(_COLLECTION, full=True):
            if isinstance(update, BuildReport):
                return update
            if isinstance(update, Progress) and update.stage == "encoding" and update.done:
                encoding.set()
    except RetrievalError as error:
        if error.code != "build_cancelled":
            raise
    finally:
        encoding.set()
    return None


async def _ask(client: RetrievalClient) -> float:
    started = time.perf_counter()
    await client.match(_png(), (_COLLECTION,))
    return time.perf_counter() - started


def _png() -> bytes:
    return images.encode_png(drawing(), 512)
