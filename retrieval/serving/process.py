"""The worker's process: its Unix socket, its signals, its end.

It listens before torch is even imported, so that whoever asks is answered, or waits, from the first
moment. What is answered is :mod:`retrieval.serving.worker`'s business.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog

from retrieval.home import Home
from retrieval.serving import messages
from retrieval.serving.framing import FrameReader, frame
from retrieval.serving.messages import Reply, ReplyBody
from retrieval.serving.worker import Worker

log = structlog.get_logger(__name__)


class _Connection(asyncio.Protocol):
    """One client. Requests are answered as they are done, not in the order they came."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._frames = FrameReader()
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                request = messages.decode_request(payload)
                task = asyncio.create_task(
                    self._worker.answer(request, partial(self._send, request.id))
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (ValueError, RecursionError) as error:  # no frame, or no request in it
            log.warning("a client spoke otherwise and was dropped", error=str(error))
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        # Nobody is left to answer. A build goes on in its thread: half of it would be lost work.
        for task in self._tasks:
            task.cancel()

    def _send(self, request_id: int, body: ReplyBody) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(messages.encode(Reply(request_id, body))))


async def serve(home: Home, socket: Path, device: str, leave_with_parent: bool) -> None:
    """Answer requests on ``socket`` until SIGTERM or SIGINT, or until the parent has gone.

    Raises:
        OSError: another worker listens there already.
    """
    await _claim(socket)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if leave_with_parent:
        # Our standard input is a pipe that the parent holds: it ends when the parent does.
        loop.add_reader(sys.stdin.fileno(), partial(_parent_left, loop, stop))
    worker = Worker(home, device)
    server = await loop.create_unix_server(lambda: _Connection(worker), str(socket))
    socket.chmod(0o600)
    loading = asyncio.create_task(worker.load())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()  # an encoder that cannot be loaded ends the process, with its reason
        await stopping
    finally:
        server.close()
        socket.unlink(missing_ok=True)
        await worker.close()


def _parent_left(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


async def _claim(socket: Path) -> None:
    """Make sure that nobody listens on ``socket``; asyncio clears away what a dead worker left."""
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if socket.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{socket.parent} belongs to somebody else")
    try:
        _, writer = await asyncio.open_unix_connection(str(socket))
    except (FileNotFoundError, ConnectionRefusedError):
        return
    writer.close()
    raise OSError(f"another worker is listening on {socket}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a worker (``python -m retrieval.serving.process``)."""
    parser = argparse.ArgumentParser(description="The retrieval worker of Magic Pencil.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--leave-with-parent", action="store_true")
    options = parser.parse_args(arguments)
    _configure_logs()
    # On a small machine the bot's heartbeat comes before our arithmetic.
    os.nice(5)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            serve(Home(options.home), options.socket, options.device, options.leave_with_parent)
        )
    # The encoder's thread may be in the middle of a batch that nobody waits for.
    os._exit(0)


def _configure_logs() -> None:
    """Write log lines as the bot does, to standard error."""
    as_json = os.environ.get("MAGIC_PENCIL_LOG_FORMAT") == "json"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if as_json else []),
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            os.environ.get("MAGIC_PENCIL_LOG_LEVEL") or "info"
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    main()
