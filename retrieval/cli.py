"""The commands that need no Discord: match, index, evaluate, train, worker, health.

They are mounted by ``bot.cli``. Whatever loads torch is imported where it is used, so that
``--help`` answers at once.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from retrieval import library, reports
from retrieval.console import (
    CollectionOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    answers,
    fail,
    print_json,
    progress_bar,
    progress_bars,
    reported_errors,
    watch,
)
from retrieval.home import Home
from retrieval.serving.errors import RetrievalError

if TYPE_CHECKING:
    from retrieval.evaluation import Measurement
    from retrieval.serving.engine import Engine
    from retrieval.serving.messages import Matches
    from retrieval.training.loop import Progress as TrainingProgress

DEFAULT_COLLECTION = "shared"


class Recipes(enum.StrEnum):
    """What `magic-pencil train` knows; a test holds it equal to `retrieval.training.recipes`."""

    modern = "modern"
    siamese = "siamese"
    triplet = "triplet"
    triplet_class = "triplet-class"
    deep_ranking = "deep-ranking"


class Solvers(enum.StrEnum):
    """How `magic-pencil train` steps."""

    adamw = "adamw"
    sketchy = "sketchy"


app = typer.Typer(no_args_is_help=True)
bench_app = typer.Typer(no_args_is_help=True, help="Time what decides how fast an answer comes.")
index_app = typer.Typer(no_args_is_help=True, help="Build the index of a photo collection.")


def load_engine(home: Path, device: str) -> Engine:
    """Load the encoder, which takes some seconds, and say so."""
    with watch.status("Loading the encoder…"):
        from retrieval.encoder import load_encoder
        from retrieval.serving.engine import Engine

        return Engine(Home(home), load_encoder(None, device))


@app.command()
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


@index_app.command("build")
def index_build(
    photos: Annotated[Path, typer.Argument(help="A folder of pictures, searched in depth.")],
    home: HomeOption,
    collection: CollectionOption = DEFAULT_COLLECTION,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Index the photos of a folder under a collection's name, and publish the index.

    The photos stay where they are and only new ones are encoded. A title, credit and licence can
    stand in a JSON file beside each photo: cat.json for cat.jpg.
    """
    with reported_errors(as_json):
        if not photos.is_dir():
            raise NotADirectoryError(f"{photos} is not a folder.")
        if next(library.scan(photos), None) is None:
            raise FileNotFoundError(f"There is no picture in {photos}.")
        engine = load_engine(home, device)
        library.register(engine.home, collection, photos)
        report = build_with_bar(engine, collection)
        if as_json:
            print_json(report)
        else:
            print_report(report)


def build_with_bar(engine: Engine, collection: str) -> reports.BuildReport:
    """Build a collection's index behind a progress bar."""
    with progress_bar() as show:
        return engine.build(collection, show)


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


@index_app.command("status")
def index_status(
    home: HomeOption,
    collection: Annotated[
        str | None, typer.Option(help="Only this collection. [default: all]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what each collection holds and which generation serves."""
    with reported_errors(as_json):
        with watch.status("Looking…"):
            from retrieval import index
            from retrieval.encoder import SHIPPED_DIGEST

            data = Home(home)
            names = [collection] if collection else library.names(data)
            found = [index.status(data, name, SHIPPED_DIGEST) for name in names]
        if as_json:
            print_json({"collections": found})
            return
        if not found:
            watch.print("No collection yet. Make one with `magic-pencil index build FOLDER`.")
        for item in found:
            _print_status(item, data)


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
            f"  encoder {status.encoder} · {(status.bytes_on_disk or 0) / 1e6:.1f} MB on disk",
            highlight=False,
        )
    if status.problem:
        answers.print(f"  [yellow]{status.problem}[/]")


@app.command()
def evaluate(
    sketches: Annotated[
        Path, typer.Option(help="Drawings, in folders by category: CATEGORY/PHOTO-N.png.")
    ],
    photos: Annotated[
        Path, typer.Option(help="The photos to search, in folders by category: CATEGORY/PHOTO.jpg.")
    ],
    distractors: Annotated[
        Path | None, typer.Option(help="More photos to search, of other things: never right.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another encoder's file.", show_default="the one shipped")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder to write categories.csv and best-and-worst.png to."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides what the bootstrap draws.")] = 0,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Samples behind the 95 % intervals; 0: no intervals.")
    ] = 1000,
    by_similarity: Annotated[
        bool,
        typer.Option(
            "--by-similarity", help="Rank by similarity alone, not in the order that members see."
        ),
    ] = False,
) -> None:
    """Measure how well an encoder finds photos for drawings whose photos are known.

    Right is a photo of the drawing's category: mAP, mAP@200 (divided by the most that could be
    found, min(R, 200) of R right photos), P@10, hit@1 and hit@5. Recall counts only the very photo
    that was drawn, PHOTO of PHOTO-N.png, for drawings whose photo is there. Both folders may also
    hold the Sketchy Database's tx_000000000000. docs/evaluation.md explains every figure.
    """
    with reported_errors(as_json):
        with watch.status("Loading the encoder…"):
            from retrieval import evaluation
            from retrieval.encoder import load_encoder

            collection = evaluation.read(sketches, photos, distractors)
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)  # refused before the work, not after it
            encoder = load_encoder(checkpoint, device)
        with progress_bars() as show:
            measured = evaluation.measure(encoder, collection, show, by_similarity=by_similarity)
        intervals = evaluation.bootstrap(measured.scores, measured.labels, bootstrap, seed)
        if out is not None:
            write_evaluation(measured, out)
        if as_json:
            print_json(evaluation.document(measured, intervals))
        else:
            answers.print(evaluation.tables(measured, intervals), highlight=False)
            for line in evaluation.left_out(measured):
                answers.print(line, highlight=False, soft_wrap=True)  # a path is to be copied


@bench_app.command("encode")
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
        if as_json:
            print_json(found)
            return
        table = Table("What", "Measured", box=None, header_style="bold")
        for name, value in msgspec.structs.asdict(found).items():
            rows = value.items() if isinstance(value, dict) else [(name, value)]
            for what, figure in rows:
                table.add_row(what, str(figure) + (" ms" if isinstance(value, dict) else ""))
        answers.print(table)


def write_evaluation(measured: Measurement, out: Path) -> None:
    """Write a measurement's table of categories and its picture of the best and the worst."""
    from retrieval import evaluation

    table, picture = out / "categories.csv", out / "best-and-worst.png"
    evaluation.write_csv(measured, table)
    evaluation.render(measured).save(picture, "PNG")
    watch.print(f"Written: {table} and {picture}", highlight=False, markup=False)


@app.command()
def train(
    data: Annotated[
        list[Path],
        typer.Option(help="Drawings and photos: a Sketchy Database folder; may be repeated."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of this run; the same command goes on in it.")],
    recipe: Annotated[
        Recipes, typer.Option(help="What to train by; docs/training.md compares them.")
    ] = Recipes.modern,
    more_sketches: Annotated[
        list[Path] | None,
        typer.Option(
            help="Drawings in folders by category: TU-Berlin, QuickDraw; may be repeated."
        ),
    ] = None,
    extra_photos: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of photos of anything: their edges are drawings, too."),
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="A split.json to use again.", show_default="a new one")
    ] = None,
    unseen_categories: Annotated[
        int, typer.Option(min=0, help="Categories that are kept from training, to measure on.")
    ] = 21,
    held_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the other photos kept to measure on.")
    ] = 0.25,
    steps: Annotated[int, typer.Option(min=1, help="How many batches.")] = 1000,
    batch: Annotated[int, typer.Option(min=2, help="Drawings a batch.")] = 44,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side of a drawing.")] = 160,
    dim: Annotated[int, typer.Option(min=1, max=4096, help="Length of each block.")] = 256,
    backbone: Annotated[
        str, typer.Option(help="A name in timm; EfficientNet-Lite0 to 2 need no download.")
    ] = "tf_efficientnet_lite0",
    weights: Annotated[
        Path | None,
        typer.Option(help="The backbone's weights (safetensors).", show_default="ImageNet's"),
    ] = None,
    solver: Annotated[
        Solvers, typer.Option(help="sketchy: SGD, momentum .9, decay 5e-4, rate 1e-5.")
    ] = Solvers.adamw,
    rate: Annotated[
        float | None, typer.Option(help="Peak learning rate.", show_default="the solver's own")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the split and all that is drawn.")] = 0,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between validations.")] = 200,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder for decoded pictures.", show_default="the user's cache"),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Train an encoder; stopped at any moment, the same command goes on to the same result.

    The folder --out fills with metrics.jsonl, curve.png, and best.safetensors, which
    `magic-pencil evaluate --checkpoint` measures. docs/training.md tells how the shipped one was
    made. Needs the `train` extra.
    """
    with reported_errors(as_json=False):
        with watch.status("Loading…"):
            import torch
            from platformdirs import user_cache_path

            from retrieval.encoder.encoder import usable_device
            from retrieval.training import plan as planning
            from retrieval.training.loop import Schedule
            from retrieval.training.recipes import Options
        torch.set_num_threads(threads or torch.get_num_threads())
        plan = planning.Plan(
            recipe.value,
            planning.Material(tuple(data), tuple(more_sketches or ()), tuple(extra_photos or ())),
            Options(
                backbone,
                size,
                batch,
                dim,
                weights,
                cache or user_cache_path("magic-pencil") / "training",
            ),
            Schedule(steps, validate_every, solver=solver.value, rate=rate),
            seed,
            split,
            unseen_categories,
            held_share,
        )
        try:
            with watched_training(steps) as report:
                chosen = str(usable_device(device))
                best = planning.train(plan, out, chosen, watch.print, report)
        except planning.REFUSALS as error:
            fail("training", str(error), as_json=False)
        answers.print(str(best), soft_wrap=True, highlight=False)


@contextmanager
def watched_training(steps: int) -> Iterator[Callable[[TrainingProgress], None]]:
    """Show how far a training is and when it will be done; figures stay, one line each."""
    columns = (
        TextColumn("Training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    bar = Progress(*columns, console=watch)
    task = bar.add_task("", total=steps, loss="")

    def report(progress: TrainingProgress) -> None:
        bar.start()  # not before: reading the pictures has a bar of its own
        bar.update(
            task, completed=progress.step, total=progress.steps, loss=f"loss {progress.loss:.3f}"
        )
        if progress.figures:
            shown = "  ".join(f"{key} {value:.3f}" for key, value in progress.figures.items())
            watch.print(f"step {progress.step:,}  {shown}", highlight=False)

    try:
        yield report
    finally:
        bar.stop()


@app.command()
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


@app.command()
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


app.add_typer(index_app, name="index")
app.add_typer(bench_app, name="bench")
