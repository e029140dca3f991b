"""`magic-pencil evaluate`: how well an encoder finds photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.commands.judging import judge, print_findings
from retrieval.console import (
    DeviceOption,
    HomeOption,
    JsonOption,
    answers,
    print_json,
    progress_bars,
    reported_errors,
    watch,
)
from retrieval.home import Home

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.evaluation import Collection, Measurement


def evaluate(
    home: HomeOption,
    sketches: Annotated[
        Path | None, typer.Option(help="Drawings, in folders by category: CATEGORY/PHOTO-N.png.")
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="The photos to search, in folders by category: CATEGORY/PHOTO.jpg."),
    ] = None,
    failures: Annotated[
        Path | None,
        typer.Option(help="Judge by failure cases instead: what `failures export` wrote."),
    ] = None,
    photos_of_file: Annotated[
        bool,
        typer.Option(
            "--photos-of-file", help="With --failures: search only the photos within the file."
        ),
    ] = False,
    distractors: Annotated[
        Path | None, typer.Option(help="More photos to search, of other things: never right.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Another encoder's file.", show_default="the one that serves"),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for categories.csv and best-and-worst.png; with --failures for "
            "fixed.png and broken.png; with --corruptions for corruptions.png."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides what the bootstrap draws.")] = 0,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Samples behind the 95 % intervals; 0: no intervals.")
    ] = 1000,
    corruptions: Annotated[
        bool,
        typer.Option("--corruptions", help="Corrupt the drawings in many ways, instead: how well?"),
    ] = False,
    most: Annotated[
        int, typer.Option(min=1, help="With --corruptions, at most so many drawings.")
    ] = 150,
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

    With --failures, drawings that members judged: how many failures are fixed, how many good
    matches broke, and whether the encoder is better than the one that serves (docs/failures.md).
    """
    with reported_errors(as_json):
        if failures is not None:
            how = {"out": out, "only_the_file": photos_of_file, "seed": seed}
            _by_failures(Home(home), failures, checkpoint, device, as_json, **how)
            return
        if sketches is None or photos is None:
            raise typer.BadParameter("Give --sketches and --photos, or --failures.")
        with watch.status("Loading the encoder…"):
            from retrieval import evaluation

            collection = evaluation.read(sketches, photos, distractors)
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)  # refused before the work, not after it
            encoder = _load(Home(home), checkpoint, device)
        if corruptions:
            measure_robustness(encoder, collection, most, as_json)
            if out is not None:
                from retrieval.evaluation import robustness

                robustness.picture(collection.drawings[0]).save(out / "corruptions.png")
            return
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


def measure_robustness(encoder: Encoder, collection: Collection, most: int, as_json: bool) -> None:
    """Print how drawings fare that arrive corrupted."""
    from retrieval.evaluation import robustness

    with progress_bars() as show:
        rows = robustness.robustness(encoder, collection, most, show)
    if as_json:
        print_json({"encoder": encoder.label, "kinds": rows})
    else:
        answers.print(robustness.table(rows), highlight=False)


def _by_failures(
    home: Home, failures: Path, checkpoint: Path | None, device: str, as_json: bool, **how: Any
) -> None:
    with watch.status("Loading the encoders…"):
        from retrieval import encoders

        incumbent = encoders.load_current(home, device)
        candidate = _load(home, checkpoint, device) if checkpoint else incumbent
    print_findings(judge(home, failures, candidate, incumbent, **how), as_json)


def _load(home: Home, checkpoint: Path | None, device: str) -> Encoder:
    from retrieval import encoders
    from retrieval.encoder import load_encoder

    return load_encoder(checkpoint, device) if checkpoint else encoders.load_current(home, device)


def write_evaluation(measured: Measurement, out: Path) -> None:
    """Write a measurement's table of categories and its picture of the best and the worst."""
    from retrieval import evaluation

    table, picture = out / "categories.csv", out / "best-and-worst.png"
    evaluation.write_csv(measured, table)
    evaluation.render(measured).save(picture, "PNG")
    watch.print(f"Written: {table} and {picture}", highlight=False, markup=False)
