"""How often a page may ask: so many times in a while, and one live match after the other."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from bot.errors import UserError

_REMEMBERED = 1000


class LaterError(UserError):
    """Not now, but soon."""

    def __init__(self, sentence: str, retry_after: float) -> None:
        """Say why, and in how many seconds it may be tried again."""
        super().__init__(sentence)
        self.retry_after = retry_after


class LateError(Exception):
    """While this waited for its turn, a newer one came."""


class Pace:
    """Lets each person ask ``most`` times in ``seconds``, with however many links."""

    def __init__(self, most: int, seconds: float) -> None:
        """Begin with nobody."""
        self._most = most
        self._seconds = seconds
        self._asked: OrderedDict[int, deque[float]] = OrderedDict()

    def count(self, user_id: int) -> None:
        """Count one question.

        Raises:
            LaterError: that is one too many.
        """
        asked = self._asked.setdefault(user_id, deque(maxlen=self._most))
        self._asked.move_to_end(user_id)
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        now = time.monotonic()
        if len(asked) == self._most and (wait := asked[0] + self._seconds - now) > 0:
            raise LaterError("That was quick! Give me a moment to catch up.", round(wait, 1))
        asked.append(now)


class Turns:
    """Lets one at a time work under a name; of those that wait, the newest comes next."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """Wait for the turn, and hold it.

        Raises:
            LateError: a newer one waits for it.
        """
        turn = self._turns.setdefault(name, _Turn())
        turn.newest = mine = object()
        async with turn.lock:
            if turn.newest is not mine:
                raise LateError
            yield


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.newest = object()
