"""`magic-pencil encoder`: which encoder serves; promote another, and go back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from filelock import Timeout
from rich.table import Table

from retrieval import library
from retrieval.commands.judging import judge, print_findings
from retrieval.console import (
    DeviceOption,
    HomeOption,
    JsonOption,
    answers,
    fail,
    print_json,
    progress_bar,
    reported_errors,
    watch,
)
from retrieval.home import Home

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.encoders import Choice

app = typer.Typer(
    no_args_is_help=True, help="See which encoder serves, promote another one, go back."
)


@app.command("list")
def encoder_list(home: HomeOption, as_json: JsonOption = False) -> None:
    """List the encoders that serve or served, and what each takes on the disk."""
    with reported_errors(as_json):
        with watch.status("Looking…"):
            from retrieval import encoders
            from retrieval.encoder.encoder import SHIPPED

            kept = encoders.kept(Home(home))
        if as_json:
            print_json({"encoders": kept})
            return
        if not kept:
            answers.print(f"{SHIPPED}, which ships with this version, serves. No other has.")
            return
        table = Table("Encoder", "", "Checkpoint", "Embeddings", "Indexes", box=None)
        for item in kept:
            sizes = (item.checkpoint, item.embeddings, item.generations)
            table.add_row(item.label, item.use, *(f"{size / 1e6:.1f} MB" for size in sizes))
        answers.print(table, highlight=False)
        answers.print("[dim]`encoder forget LABEL` frees what a former one takes.[/]")


@app.command("promote")
def encoder_promote(
    checkpoint: Annotated[Path, typer.Argument(help="The new encoder's file.")],
    home: HomeOption,
    failures: Annotated[
        Path | None,
        typer.Option(help="Cases that judge it: what `magic-pencil failures export` wrote."),
    ] = None,
    unjudged: Annotated[
        bool, typer.Option("--unjudged", help="Promote it without judging it.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="A folder for pictures of what is fixed and broken.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Let another encoder serve, if failure cases say that it is no worse.

    It re-encodes every collection beside the live index, which may be stopped at any moment and
    goes on where it was; then it takes over. A running worker notices by itself.
    """
    with reported_errors(as_json):
        from retrieval import encoders
        from retrieval.encoder import load_encoder

        if (failures is None) != unjudged:
            raise typer.BadParameter("Give --failures FILE, or --unjudged on purpose.")
        data = Home(home)
        with _alone(data, as_json):
            with watch.status("Loading the encoders…"):
                candidate = load_encoder(checkpoint, device)
                incumbent = encoders.load_current(data, device)
            if candidate.digest == incumbent.digest:
                fail("same_encoder", f"{candidate.label} serves already.", as_json)
            if failures is not None:
                found = judge(data, failures, candidate, incumbent, out)
                print_findings(found, as_json)
                verdict = found.acceptance.verdict
                if verdict in ("worse", "too few"):
                    why = "it is worse" if verdict == "worse" else "too few drawings are judged"
                    watch.print(
                        f"[bold red]Refused:[/] {why}. {incumbent.label} serves on.",
                        highlight=False,
                    )
                    raise typer.Exit(1)
            chosen = encoders.keep(data, candidate, checkpoint)
            before = _kept_as(data, incumbent)
            _stage(data, candidate)
            encoders.switch(data, chosen, before)
        if not as_json:
            answers.print(f"{chosen.label} serves now. `encoder rollback` goes back.")


@app.command("rollback")
def encoder_rollback(home: HomeOption, device: DeviceOption = "auto") -> None:
    """Let the encoder before serve again, with its indexes brought up to date first."""
    with reported_errors(as_json=False):
        from retrieval import encoders

        data = Home(home)
        with _alone(data, as_json=False):
            record = encoders.read(data)
            if record.previous is None or record.current is None:
                fail("no_encoder", "There is no encoder to go back to.", as_json=False)
            with watch.status("Loading the encoder…"):
                former = encoders.load_choice(data, record.previous, device)
            _stage(data, former)
            encoders.switch(data, record.previous, record.current)
        answers.print(f"{former.label} serves again.", highlight=False)


@app.command("forget")
def encoder_forget(
    encoder: Annotated[str, typer.Argument(help="Its label, or the start of its digest.")],
    home: HomeOption,
) -> None:
    """Delete a former encoder's checkpoint, embeddings and indexes; there is no way back to it."""
    with reported_errors(as_json=False):
        from retrieval import encoders

        with _alone(Home(home), as_json=False):
            gone = encoders.forget(Home(home), encoder)
        answers.print(f"{gone.label} is forgotten.", highlight=False)


@contextmanager
def _alone(home: Home, as_json: bool) -> Iterator[None]:
    """Hold the right to change the encoder, or say that another process has it."""
    from retrieval import encoders

    try:
        with encoders.lock(home):
            yield
    except Timeout:
        fail("busy", "Another process is changing the encoder.", as_json)


def _kept_as(home: Home, incumbent: Encoder) -> Choice:
    from retrieval import encoders

    record = encoders.read(home)
    return record.current or encoders.keep(home, incumbent, None)


def _stage(home: Home, encoder: Encoder) -> None:
    """Index every collection with an encoder beside what serves, behind a progress bar."""
    from retrieval import encoders
    from retrieval.serving.engine import Engine

    engine = Engine(home, encoder)
    names = library.names(home)

    def build(name: str) -> None:
        watch.print(f"{name} ({names.index(name) + 1} of {len(names)})", highlight=False)
        with progress_bar() as show:
            engine.build(name, show, staged=True)

    started = time.monotonic()
    encoders.stage(home, build=build, encoder=encoder, names=names)
    watch.print(f"Indexes are ready after {time.monotonic() - started:.0f} s.", highlight=False)
