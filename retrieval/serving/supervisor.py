"""Keep one worker process running: start it, and start it again when it dies.

Runs in the bot's process and loads no torch. The worker holds the other end of a pipe to us, so it
goes when we go, however we go.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
# A worker that lived this long had started well; its death is news and not a habit.
_GOOD_LIFE = 30.0
_HOPELESS_AFTER = 4
_STOP_SECONDS = 8.0


def worker_command(home: Path, socket: Path, device: str) -> list[str]:
    """Return the command line of a worker that leaves with its parent."""
    module = [sys.executable, "-m", "retrieval.serving.process"]
    options = ["--home", str(home), "--socket", str(socket), "--device", device]
    return [*module, *options, "--leave-with-parent"]


class Supervisor:
    """Owns the worker's process."""

    def __init__(self, command: Sequence[str]) -> None:
        """Remember how a worker is started."""
        self._command = list(command)
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._short_lives = 0
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def hopeless(self) -> bool:
        """Say whether workers keep dying so young that waiting for the next one is no use."""
        return self._short_lives >= _HOPELESS_AFTER

    async def start(self) -> None:
        """Start the worker and keep watch. Returns before the worker has loaded its encoder."""
        await self._spawn()
        self._task = asyncio.create_task(self._watch(), name="worker-supervisor")

    async def stop(self) -> None:
        """Ask the worker to finish, and end it if it does not within some seconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        self.starts += 1
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE
        )
        log.info("worker started", pid=self._process.pid)

    async def _watch(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            started = time.monotonic()
            status = await self._process.wait() if self._process is not None else None
            if time.monotonic() - started >= _GOOD_LIFE:
                self._short_lives, pause = 0, _FIRST_PAUSE
            else:
                self._short_lives += 1
            log.error("worker died", exit_status=status, restart_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                await self._spawn()
            except OSError:
                # Out of memory or of processes: as a worker that died at once.
                log.exception("worker could not be started")
                self._process = None
