"""What commands share: the two consoles, common options, errors as sentences, a progress bar.

Nothing here loads torch before an error makes it necessary.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from retrieval import failure_set, library, reports
from retrieval.home import CollectionNameError, default_home
from retrieval.serving.errors import RetrievalError

# Standard output is for answers; everything that a person watches goes to standard error.
watch = Console(stderr=True)
answers = Console()

HomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="MAGIC_PENCIL_HOME",
        default_factory=default_home,
        help="The folder that all data lives under.",
        show_default="the platform's user data folder",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        envvar="MAGIC_PENCIL_DEVICE", help="Where the encoder runs: auto, cpu, cuda, mps."
    ),
]
CollectionOption = Annotated[
    str,
    typer.Option(
        "--collection", envvar="MAGIC_PENCIL_COLLECTION", help="The photo collection's name."
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else to stdout.")
]


def print_json(document: Any) -> None:
    """Print one JSON document to standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")


def fail(code: str, message: str, as_json: bool) -> NoReturn:
    """Say what went wrong and what to do, and end with status 1."""
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    watch.print(f"[bold red]Error:[/] {escape(message)}", highlight=False)
    raise typer.Exit(1)


@contextmanager
def reported_errors(as_json: bool) -> Iterator[None]:
    """Turn what a person can cause into a sentence and status 1, instead of a traceback."""
    try:
        yield
    except failure_set.FailureSetError as error:
        fail("failures", str(error), as_json)
    except (OSError, CollectionNameError, library.UnknownCollectionError) as error:
        if isinstance(error, OSError) and error.filename and error.strerror:
            fail("file", f"{error.filename}: {error.strerror}", as_json)
        fail("file", str(error), as_json)
    except RetrievalError as error:
        hint = ""
        if error.code in ("no_index", "other_encoder", "bad_index"):
            hint = " Build it with `magic-pencil index build PHOTOS_DIR`."
        fail(error.code, f"{error}{hint}", as_json)
    except RuntimeError as error:
        from retrieval.encoder import EncoderError
        from retrieval.index import BuildError, GenerationError

        if isinstance(error, (BuildError, EncoderError, GenerationError)):
            fail("index", str(error), as_json)
        raise


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far long work is, one line a stage: told its name, what is done, of how many."""
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=watch) as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage)
            bar.update(tasks[stage], completed=done, total=total)

        yield show


@contextmanager
def progress_bar() -> Iterator[Callable[[reports.Progress], None]]:
    """Show how far a build is."""
    names = {"reading": "Reading files", "encoding": "Encoding", "publishing": "Publishing"}
    with progress_bars() as show:
        yield lambda progress: show(names[progress.stage], progress.done, progress.total)
