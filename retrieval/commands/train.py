"""`magic-pencil train`: train an encoder."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from retrieval.console import (
    DeviceOption,
    answers,
    fail,
    reported_errors,
    watch,
)

if TYPE_CHECKING:
    from retrieval.training.loop import Progress as TrainingProgress


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
