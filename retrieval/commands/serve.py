"""`magic-pencil worker` and `health`: the worker by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.console import (
    DeviceOption,
    HomeOption,
    JsonOption,
    answers,
    fail,
    print_json,
    watch,
)
from retrieval.home import Home
from retrieval.serving.errors import RetrievalError


def worker(
    home: HomeOption,
    socket: Annotated[
        Path | None,
        typer.Option(
            envvar="MAGIC_PENCIL_SOCKET",
            help="The Unix socket to listen on.",
            show_default="below the data folder",
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Run the retrieval worker by itself; `magic-pencil run` starts one of its own."""
    with watch.status("Loading…"):
        from retrieval.serving.process import main as run_worker
    run_worker(
        ["--home", str(home), "--socket", str(socket or Home(home).socket), "--device", device]
    )


def health(
    home: HomeOption,
    socket: Annotated[
        Path | None, typer.Option(envvar="MAGIC_PENCIL_SOCKET", help="The worker's Unix socket.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a running worker how it is; ends with status 1 if it is not ready."""
    from retrieval.serving.client import RetrievalClient

    async def ask() -> Any:
        client = RetrievalClient(socket or Home(home).socket, hopeless=lambda: True)
        try:
            return await client.health()
        finally:
            await client.close()

    try:
        report = asyncio.run(ask())
    except RetrievalError as error:
        fail(error.code, f"No worker answers. ({error})", as_json)
    if as_json:
        print_json(report)
    else:
        answers.print(
            f"{'ready' if report.ready else 'not ready'} on {report.device} · {report.encoder} · "
            f"{report.queued} waiting · {report.answered} answered in {report.batches} batches",
            highlight=False,
        )
    if not report.ready:
        raise typer.Exit(1)
