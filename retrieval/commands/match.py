"""`magic-pencil match`: one drawing on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from retrieval.commands.engine import DEFAULT_COLLECTION, load_engine
from retrieval.console import (
    CollectionOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    answers,
    print_json,
    reported_errors,
    watch,
)

if TYPE_CHECKING:
    from retrieval.serving.messages import Matches


def match(
    drawing: Annotated[Path, typer.Argument(help="A picture of a drawing: PNG, JPEG, WebP …")],
    home: HomeOption,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many photos.")] = 5,
    collection: CollectionOption = DEFAULT_COLLECTION,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write a contact sheet to this PNG file.")
    ] = None,
) -> None:
    """Find the photos that look most like a drawing.

    The photos are those of a collection that `magic-pencil index build` has indexed.
    """
    with reported_errors(as_json):
        data = drawing.read_bytes()
        engine = load_engine(home, device)
        found = engine.match(data, (collection,), k)
        if out is not None:
            write_sheet(found, out)
        print_matches(found, as_json)


def print_matches(found: Matches, as_json: bool) -> None:
    """Print matches as a table for people or as JSON for programs."""
    if as_json:
        keys = ("rank", "photo", "photo_id", "title", "credit", "score", "collection")
        print_json(
            {
                "matches": [{key: getattr(item, key) for key in keys} for item in found.matches],
                "confidence": found.confidence,
                "generation": found.generation,
                "encoder": found.encoder,
                "timings_ms": found.timings_ms,
            }
        )
        return
    table = Table("Rank", "Title", "Score", "Photo", box=None, header_style="bold")
    for item in found.matches:
        table.add_row(str(item.rank), escape(item.title), f"{item.score:.3f}", escape(item.photo))
    answers.print(table)
    if found.confidence is not None:
        watch.print(f"{found.confidence.level}: {found.confidence.probability:.0%}")
    watch.print(
        f"[dim]generation {found.generation} · {found.encoder} · "
        f"{found.timings_ms['total']:.0f} ms[/]"
    )


def write_sheet(found: Matches, out: Path) -> None:
    """Write the contact sheet: the drawing on the left, ranked photos on the right."""
    import io

    from PIL import Image

    from retrieval import contact_sheet

    def picture(data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data)) if data else Image.new("RGB", (320, 320), "#dddddd")

    sheet = contact_sheet.render(
        picture(found.drawing),
        [
            contact_sheet.SheetMatch(
                item.rank, item.title, item.score, picture(item.thumbnail), item.credit
            )
            for item in found.matches
        ],
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, "PNG")
    watch.print(f"Contact sheet: {out}", highlight=False, markup=False)
