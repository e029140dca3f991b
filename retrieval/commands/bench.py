"""`magic-pencil bench`: timings that decide something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from retrieval.console import (
    DeviceOption,
    JsonOption,
    answers,
    print_json,
    reported_errors,
    watch,
)

app = typer.Typer(no_args_is_help=True, help="Time what decides how fast an answer comes.")


@app.command("encode")
def bench_encode(
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another encoder's file.", show_default="the one shipped")
    ] = None,
    photos: Annotated[int, typer.Option(min=16, help="How many photographs to encode.")] = 96,
    rounds: Annotated[int, typer.Option(min=3, help="How often to encode the drawing.")] = 40,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also run the network in other ways; takes a minute.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Time encoding a drawing and photographs against the network's bare forward pass.

    Both are timed in turns, so the ratios hold on a busy machine; the milliseconds do not.
    """
    with reported_errors(as_json):
        with watch.status("Timing…"):
            import tempfile

            import torch

            from retrieval.bench import encode

            torch.set_num_threads(threads or torch.get_num_threads())
            with tempfile.TemporaryDirectory() as folder:
                found = encode.measure(
                    checkpoint, device, Path(folder), photos, rounds, compare=compare
                )
        _print_figures(found, as_json)


@app.command("index")
def bench_index(
    photos: Annotated[int, typer.Option(min=50, help="How many photographs.")] = 2000,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Time a first build, a rebuild of nothing new, one photo more, and matching meanwhile."""
    with reported_errors(as_json):
        from retrieval.bench import index

        _print_figures(index.measure(photos, device, watch.print), as_json)


@app.command("search")
def bench_search(
    vectors: Annotated[int, typer.Option(min=1000, help="How many vectors.")] = 100_000,
    dim: Annotated[int, typer.Option(min=8, max=4096, help="Numbers in each.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Decides the vectors.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Time the index of many vectors, and others of the same ones. A million take minutes."""
    with reported_errors(as_json):
        from retrieval.bench import search

        _print_figures(search.measure(vectors, dim, seed, watch.print), as_json)


@app.command("acceptance")
def bench_acceptance(
    data: Annotated[
        Path, typer.Option(help="A folder with sketch/ and photo/, each in folders by category.")
    ],
    checkpoint: Annotated[
        list[Path], typer.Option(help="Another encoder's file, and again for each more.")
    ],
    cases: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Judged drawings in a set, and again.", show_default="150"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Sets for each pair of encoders.")] = 3,
    most: Annotated[int, typer.Option(min=50, help="Drawings of the data that are used.")] = 1000,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Try the rule that accepts encoders: on votes simulated from known categories.

    The encoder that ships is always one of them. Minutes for each encoder; docs/failures.md.
    """
    with reported_errors(as_json):
        from retrieval.bench import acceptance

        found = acceptance.measure(
            data, [None, *checkpoint], device, cases or [150], rounds, watch.print, most
        )
        _print_figures(found, as_json)


def _print_figures(found: msgspec.Struct, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    table = Table("What", "Measured", box=None, header_style="bold")
    for name, value in _flat(msgspec.to_builtins(found)):
        table.add_row(name, str(value))
    answers.print(table)


def _flat(figures: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}: ")
        else:
            yield before + name, value
