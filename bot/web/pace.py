"""How often a page may ask: one live match at a time, the newest next, so many in a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.errors import UserError

_REMEMBERED = 1000


class TooFastError(UserError):
    """Somebody asks more often than anybody draws."""

    def __init__(self, retry_after: float) -> None:
        """Say when it may be tried again."""
        super().__init__("That was quick! Give me a moment to catch up.")
        self.retry_after = retry_after


class LateError(Exception):
    """While this waited for its turn, a newer one came."""


@dataclass(slots=True)
class _Page:
    asked: deque[float] = field(default_factory=deque)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    newest: object = None


class Pace:
    """Keeps the pages' pace, each by a name."""

    def __init__(self, most: int, seconds: float) -> None:
        """Let each page ask ``most`` times in ``seconds``."""
        self._most = most
        self._seconds = seconds
        self._pages: OrderedDict[str, _Page] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Hold a page's turn.

        Raises:
            TooFastError: it asks too often.
            LateError: it has asked anew meanwhile.
        """
        page = self._pages.setdefault(name, _Page())
        self._pages.move_to_end(name)
        while len(self._pages) > _REMEMBERED:
            self._pages.popitem(last=False)
        self._count(page)
        page.newest = mine = object()
        async with page.turn:
            if page.newest is not mine:
                raise LateError
            yield

    def _count(self, page: _Page) -> None:
        now = time.monotonic()
        while page.asked and page.asked[0] <= now - self._seconds:
            page.asked.popleft()
        if len(page.asked) >= self._most:
            raise TooFastError(round(page.asked[0] + self._seconds - now, 1))
        page.asked.append(now)
