"""Ways to act in a simulated Discord that simcord has no verb for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import simcord


@contextmanager
def together(env: simcord.Env) -> Iterator[None]:
    """Let several people act before the bot has answered the first.

    A verb sends its event and then waits until the bot is done; in here it does not wait.
    Afterwards call ``await env.settle()``.
    """

    async def do_not_wait(**_: Any) -> None:
        return

    env._settle_internal = do_not_wait
    try:
        yield
    finally:
        del env._settle_internal


class LoopWatch:
    """Measures how long the event loop was kept from turning by what runs on it.

    Time in which the kernel let other processes run instead (Linux counts it for each thread as
    run delay) is not the bot's doing and is left out.
    """

    PAUSE = 0.005

    async def __aenter__(self) -> LoopWatch:
        self.worst = 0.0
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            started, waited = time.perf_counter(), self._waited()
            await asyncio.sleep(self.PAUSE)
            pause = time.perf_counter() - started - (self._waited() - waited) - self.PAUSE
            self.worst = max(self.worst, pause)

    def _waited(self) -> float:
        """Seconds for which this thread could have run and was not let."""
        try:
            return int(self._schedule.read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0


def texts(message: Any) -> str:
    """Return everything that a message says: its content and the text of its components."""
    said = [message.content]

    def walk(components: list[dict[str, Any]]) -> None:
        for component in components:
            said.append(component.get("content", ""))
            walk(component.get("components", []))

    walk(message.components if isinstance(message.components, list) else [])
    return "\n".join(part for part in said if part)


def buttons(message: Any) -> dict[str, str]:
    """Return the buttons of a message: label by custom id."""
    found = {}

    def walk(components: list[dict[str, Any]]) -> None:
        for component in components:
            if component["type"] == 2:
                found[component["custom_id"]] = component["label"]
            walk(component.get("components", []))

    walk(message.components)
    return found


def pictures(message: Any) -> list[dict[str, Any]]:
    """Return the items of a message's galleries."""
    found: list[dict[str, Any]] = []

    def walk(components: list[dict[str, Any]]) -> None:
        for component in components:
            found.extend(component.get("items", []))
            walk(component.get("components", []))

    walk(message.components)
    return found
