"""Ways to act in a simulated Discord that simcord has no verb for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import discord
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


class EditsHeldUp:
    """Discord begins no edit that answers a tap until ``go`` is set."""

    def __init__(self, env: simcord.Env) -> None:
        self.go = asyncio.Event()
        self.tasks: list[asyncio.Task[Any]] = []  # that wait for an edit, in the order of coming
        self._adapter = env._webhook_adapter

    def __enter__(self) -> EditsHeldUp:
        request = self._adapter.request

        async def wait_and_request(route: Any, *args: Any, **kwargs: Any) -> Any:
            if route.method == "PATCH" and not self.go.is_set():
                self.tasks.append(asyncio.current_task())
                await self.go.wait()
            return await request(route, *args, **kwargs)

        self._adapter.request = wait_and_request
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        del self._adapter.request


async def show_to_everybody(w: Any, *commands: str) -> None:
    """Let every member of the world's server see commands, as its owner can.

    A command's ``default_permissions`` is a hint for who sees it, not what guards it.
    """
    for command in w.bot.tree.get_commands():
        if command.name in commands:
            command.default_permissions = None
    await w.bot.tree.sync()


def waiting_views(w: Any, kind: str) -> list[Any]:
    """Return the views of a class that the world's bot waits for taps on.

    By the class's name: a bot loads its features anew, so their classes are not those one imports.
    """
    stored = w.bot._connection._view_store._views.values()
    views = [item.view for items in stored for item in items.values() if hasattr(item, "view")]
    return [view for view in views if type(view).__name__ == kind]


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


def parts(message: Any) -> Iterator[dict[str, Any]]:
    """Yield every component of a message, each before those inside it."""

    def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for component in components:
            yield component
            yield from walk(component.get("components", []))

    found = message.components if isinstance(message.components, list) else []
    yield from walk([item if isinstance(item, dict) else item.to_dict() for item in found])


def texts(message: Any) -> str:
    """Return everything that a message says: its content and the text of its components."""
    said = [message.content, *(part.get("content", "") for part in parts(message))]
    return "\n".join(text for text in said if text)


def buttons(message: Any) -> dict[str, str]:
    """Return the buttons of a message: label by custom id."""
    kind = discord.ComponentType.button.value
    return {part["custom_id"]: part["label"] for part in parts(message) if part["type"] == kind}


def button(message: Any, label: str) -> str:
    """Return the custom id of a message's first button that says this."""
    return next(custom_id for custom_id, says in buttons(message).items() if says == label)


def menus(
    message: Any, kind: discord.ComponentType = discord.ComponentType.select
) -> list[dict[str, Any]]:
    """Return the menus of a message of one kind: of texts, channels, roles."""
    return [part for part in parts(message) if part["type"] == kind.value]


def options(message: Any) -> list[dict[str, Any]]:
    """Return what can be chosen in the first menu of texts of a message."""
    return menus(message)[0]["options"]


def pictures(message: Any) -> list[dict[str, Any]]:
    """Return the items of a message's galleries."""
    return [item for part in parts(message) for item in part.get("items", [])]
