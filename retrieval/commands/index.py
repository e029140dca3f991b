"""`magic-pencil index`: build an index, look at it, check it, go back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval import library, reports
from retrieval.commands.engine import DEFAULT_COLLECTION, load_engine
from retrieval.console import (
    CollectionOption,
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
    from retrieval.serving.engine import Engine

app = typer.Typer(
    no_args_is_help=True, help="Build the index of a photo collection, check it, go back."
)


@app.command("build")
def index_build(
    photos: Annotated[Path, typer.Argument(help="A folder of pictures, searched in depth.")],
    home: HomeOption,
    collection: CollectionOption = DEFAULT_COLLECTION,
    full: Annotated[
        bool, typer.Option("--full", help="Encode every photo again, also those that are known.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Index the photos of a folder under a collection's name, and publish the index.

    The photos stay where they are and only new ones are encoded. A title, credit and licence can
    stand in a JSON file beside each photo (cat.json for cat.jpg), or in photos.csv in the folder:
    columns file, title, credit, licence. Links and hidden files are passed over and counted.
    """
    with reported_errors(as_json):
        if not photos.is_dir():
            raise NotADirectoryError(f"{photos} is not a folder.")
        if not library.scan(photos).files:
            raise FileNotFoundError(f"There is no picture in {photos}.")
        engine = load_engine(home, device)
        library.register(engine.home, collection, photos)
        report = build_with_bar(engine, collection, full=full)
        if as_json:
            print_json(report)
        else:
            print_report(report)


def build_with_bar(engine: Engine, collection: str, *, full: bool = False) -> reports.BuildReport:
    """Build a collection's index behind a progress bar."""
    with progress_bar() as show:
        return engine.build(collection, show, full=full)


def print_report(report: reports.BuildReport) -> None:
    """Print what a build did."""
    answers.print(
        f"{report.photos} photos indexed in {report.seconds:.1f} s: {report.added} new, "
        f"{report.unchanged} unchanged, {report.removed} gone, {report.duplicates} duplicates, "
        f"{len(report.unreadable)} unreadable. Generation {report.generation}.",
        highlight=False,
    )
    for item in report.unreadable:
        answers.print(f"  left out: {item.photo}: {item.reason}", highlight=False, markup=False)
    if passed := ", ".join(f"{count} {kind}" for kind, count in report.passed_over.items()):
        answers.print(f"  passed over: {passed}", highlight=False)
    for pair in report.near_duplicates:
        text = f"  nearly the same: {pair.photo} and {pair.like}"
        answers.print(text, highlight=False, markup=False)


CollectionArgument = Annotated[str, typer.Argument(help="The collection's name.")]


@app.command("status")
def index_status(
    home: HomeOption,
    collection: Annotated[
        str | None, typer.Option(help="Only this collection. [default: all]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what each collection holds, which generation serves and which are kept."""
    with reported_errors(as_json):
        with watch.status("Looking…"):
            from retrieval import encoders, index

            data = Home(home)
            names = [collection] if collection else library.names(data)
            found = [index.status(data, name, encoders.current_digest(data)) for name in names]
        if as_json:
            print_json({"collections": found})
            return
        if not found:
            watch.print("No collection yet. Make one with `magic-pencil index build FOLDER`.")
        for item in found:
            _print_status(item, data)


@app.command("rollback")
def index_rollback(
    collection: CollectionArgument,
    home: HomeOption,
    generation: Annotated[
        str | None,
        typer.Argument(help="Which; `index status` lists them.", show_default="the one before"),
    ] = None,
) -> None:
    """Make an earlier generation serve again, after checking every byte of it.

    The photos stay as they are; the next build makes an index of them again.
    """
    with reported_errors(as_json=False):
        from retrieval import encoders, index

        folder = _known(Home(home), collection)
        if generation is None:
            known = index.status(Home(home), collection, encoders.current_digest(Home(home)))
            earlier = [kept.generation for kept in known.kept if not kept.serves]
            if not earlier:
                fail("unknown_generation", "There is no earlier generation.", as_json=False)
            generation = earlier[0]
        index.roll_back(folder, generation)
        answers.print(f"{generation} serves now.", highlight=False)


@app.command("verify")
def index_verify(collection: CollectionArgument, home: HomeOption) -> None:
    """Read every generation of a collection byte by byte; exit status 1 if one is damaged."""
    with reported_errors(as_json=False):
        from retrieval import index

        _known(Home(home), collection)
        found = index.verify(Home(home), collection)
        for name, reason in found.damaged.items():
            answers.print(f"{name}: {reason}", highlight=False)
        if found.damaged:
            fail(
                "damaged",
                f"{len(found.damaged)} of {found.checked} generations are damaged. "
                "`magic-pencil index build` makes a new one, `index rollback` goes back.",
                as_json=False,
            )
        answers.print(f"All {found.checked} generations are as they were written.")


@app.command("cancel")
def index_cancel(collection: CollectionArgument, home: HomeOption) -> None:
    """Stop the build that is running, whoever began it; the old generation serves on."""
    with reported_errors(as_json=False):
        from retrieval import index

        if not index.cancel(_known(Home(home), collection)):
            fail("no_build", f"No build of {collection} is running.", as_json=False)
        answers.print("It stops after the photos that it is at.")


def _known(home: Home, collection: str) -> Path:
    library.find(home, collection)
    return home.collection(collection)


def _print_status(status: reports.CollectionStatus, home: Home) -> None:
    answers.print(f"[bold]{status.name}[/]")
    try:
        source = library.find(home, status.name).source
        answers.print(f"  photos from {source}", highlight=False, markup=False)
    except library.UnknownCollectionError:
        answers.print("  nobody has made this collection")
    if status.built_at is not None:
        built = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.built_at))
        answers.print(
            f"  {status.photos} photos · generation {status.generation}, built {built}\n"
            f"  encoder {status.encoder} · {status.structure} · "
            f"{(status.bytes_on_disk or 0) / 1e6:.1f} MB on disk",
            highlight=False,
        )
    for kept in status.kept:
        if not kept.serves:
            built = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(kept.built_at))
            answers.print(
                f"  kept: {kept.generation}, {kept.photos} photos, built {built}", highlight=False
            )
    if status.building:
        answers.print("  a build is running")
    if status.problem:
        answers.print(f"  [yellow]{status.problem}[/]")
