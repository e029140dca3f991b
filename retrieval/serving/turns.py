"""Whose turn it is: the encoder that answers, the builds that run, the change between encoders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.home import Home

if TYPE_CHECKING:
    from retrieval.serving.batching import Batcher
    from retrieval.serving.engine import Engine


@dataclass(slots=True)
class Serving:
    """An encoder at work, with those who are being answered by it."""

    engine: Engine
    batcher: Batcher
    users: int = 0

    @contextmanager
    def used(self) -> Iterator[None]:
        """Count somebody who is being answered."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1


class Gate:
    """Any number of builds at a time, or one change of the encoder."""

    def __init__(self) -> None:
        """Begin with nobody inside."""
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._door = asyncio.Lock()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Enter as one of many."""
        async with self._door:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Enter when nobody is inside; others wait outside."""
        while True:
            await self._empty.wait()  # with the door open: a build may take hours
            async with self._door:
                if self._empty.is_set():
                    yield
                    return


def stamp(home: Home) -> tuple[int, int]:
    """Return what changes when another encoder is chosen: cheap enough to ask every second."""
    try:
        status = home.chosen_encoder.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino
