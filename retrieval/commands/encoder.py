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
    from retrieval.evaluation.findings import FindingsDocument

app = typer.Typer(
    no_args_is_help=True, help="See which encoder serves, promote another one, go back."
)


_EncoderArgument = Annotated[
    str, typer.Argument(help="Its name, its label, or its digest's start.")
]


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
        table = Table("Encoder", "", "Confidence", "Checkpoint", "Embeddings", "Indexes", box=None)
        for item in kept:
            sizes = (item.checkpoint, item.embeddings, item.generations)
            sure = "calibrated" if item.calibrated else "–"
            table.add_row(item.label, item.use, sure, *(f"{size / 1e6:.1f} MB" for size in sizes))
        answers.print(table, highlight=False)
        answers.print(
            "[dim]`encoder rollback` goes back to the one before, `encoder rollback LABEL` to "
            "another; `encoder forget LABEL` frees what a former one takes.[/]"
        )


@app.command("promote")
def encoder_promote(
    checkpoint: Annotated[Path, typer.Argument(help="The new encoder's file.")],
    home: HomeOption,
    failures: Annotated[
        Path | None,
        typer.Option(help="Cases that judge it: what `magic-pencil failures export` wrote."),
    ] = None,
    unjudged: Annotated[
        bool, typer.Option("--unjudged", help="Promote it without judging it, on purpose.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="A folder for pictures of what is fixed and broken.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Let another encoder serve, if failure cases say that it is no worse.

    It is refused, with status 1, if it is worse than the one that serves, or if too few drawings
    are judged to tell; --unjudged takes it without asking. Then it re-encodes every collection
    beside the live index, which may be stopped at any moment and goes on where it was, and takes
    over. A running worker notices by itself; matching goes on all the while. `encoder rollback`
    goes back.

    Its calibration, NAME.confidence.json beside NAME.safetensors, is taken along: without one,
    members are not told how sure an answer is. `magic-pencil calibrate` makes one. All of this is
    explained in docs/failures.md.
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
            told = _judged(data, failures, candidate, incumbent, out, as_json)
            chosen = encoders.keep(data, candidate, checkpoint)
            before = _kept_as(data, incumbent)
            _stage(data, candidate)
            encoders.switch(data, chosen, before)
        if as_json:
            print_json(told)
        else:
            answers.print(f"{chosen.label} serves now. `encoder rollback` goes back.")
        _say_if_uncalibrated(data, chosen)


def _judged(
    home: Home,
    failures: Path | None,
    candidate: Encoder,
    incumbent: Encoder,
    out: Path | None,
    as_json: bool,
) -> FindingsDocument | dict[str, str]:
    """Judge a candidate; say why and end with status 1 if it is refused."""
    if failures is None:
        return {"encoder": candidate.label, "incumbent": incumbent.label, "verdict": "unjudged"}
    found = judge(home, failures, candidate, incumbent, out)
    if not as_json:
        print_findings(found, as_json)
    if found.acceptance.verdict in ("worse", "too few"):
        if as_json:
            print_findings(found, as_json)
        why = {
            "worse": "it is worse; --out FOLDER draws what it breaks",
            "too few": "too few drawings are judged to tell; export again when there are more",
        }[found.acceptance.verdict]
        watch.print(
            f"[bold red]Refused:[/] {why}. {incumbent.label} serves on, nothing was changed. "
            "--unjudged instead of --failures promotes it all the same.",
            highlight=False,
        )
        raise typer.Exit(1)
    from retrieval import evaluation

    return evaluation.findings_document(found)


def _say_if_uncalibrated(home: Home, chosen: Choice) -> None:
    from retrieval import confidence

    file = home.encoders / chosen.file
    if confidence.load(confidence.beside(file), chosen.digest) is None:
        watch.print(
            "[yellow]It has no calibration[/], so members are not told how sure an answer is. "
            "Make one, and start the worker again:\n"
            f"  magic-pencil calibrate --checkpoint '{file}' --sketches DIR --photos DIR "
            f"--fit '{confidence.beside(file)}'",
            highlight=False,
            soft_wrap=True,
        )


@app.command("rollback")
def encoder_rollback(
    home: HomeOption,
    encoder: Annotated[
        str | None,
        typer.Argument(
            help="Its name, its label, or its digest's start.", show_default="the one before"
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Let a former encoder serve again, with its indexes brought up to date first.

    Only photos that came since are encoded. Once more goes forward again.
    """
    with reported_errors(as_json=False):
        from retrieval import encoders

        data = Home(home)
        with _alone(data, as_json=False):
            record = encoders.read(data)
            chosen = encoders.find(data, encoder) if encoder else record.previous
            if chosen is None or record.current is None:
                fail("no_encoder", "There is no encoder to go back to.", as_json=False)
            if chosen.digest == record.current.digest:
                fail("same_encoder", f"{chosen.label} serves already.", as_json=False)
            with watch.status("Loading the encoder…"):
                former = encoders.load_choice(data, chosen, device)
            _stage(data, former)
            encoders.switch(data, chosen, record.current)
        answers.print(f"{former.label} serves again.", highlight=False)


@app.command("forget")
def encoder_forget(encoder: _EncoderArgument, home: HomeOption) -> None:
    """Delete a former encoder's checkpoint, embeddings and indexes; there is no way back to it."""
    with reported_errors(as_json=False):
        from retrieval import encoders

        data = Home(home)
        with _alone(data, as_json=False):
            chosen = encoders.find(data, encoder)
            encoders.forget(data, chosen)
        answers.print(f"{chosen.label} is forgotten.", highlight=False)


@app.command("clear")
def encoder_clear(home: HomeOption) -> None:
    """Delete what encoders left that were judged, or half promoted, and never served."""
    with reported_errors(as_json=False):
        from retrieval import encoders

        with _alone(Home(home), as_json=False):
            freed = encoders.clear(Home(home))
        answers.print(f"{freed / 1e6:.1f} MB are free again.", highlight=False)


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
