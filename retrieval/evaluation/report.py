"""A measurement as people and programs read it: terminal tables, one JSON document, a CSV file.

Figures come ready; the picture of best and worst drawings is made in `pictures`.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from retrieval.evaluation.intervals import Intervals
from retrieval.evaluation.measure import Measurement
from retrieval.evaluation.metrics import FIGURES, Mask

_NAMES: Final = {
    "map": "mAP",
    "map_at_200": "mAP@200",
    "precision_at_10": "P@10",
    "hit_at_1": "hit@1",
    "hit_at_5": "hit@5",
    "recall_at_1": "own photo: recall@1",
    "recall_at_5": "own photo: recall@5",
    "recall_at_10": "own photo: recall@10",
    "recall_at_1_within_category": "own photo within its category: recall@1",
}


class CategoryRow(msgspec.Struct, frozen=True):
    """How the drawings of one category fared, and what they were most often mistaken for.

    ``mistaken_for`` is the wrong category that stood first most often, ``times`` how often;
    None and 0 if none did. A distractor's is ``(distractor)``.
    """

    category: str
    queries: int
    map: float
    hit_at_1: float
    hit_at_5: float
    mistaken_for: str | None
    times: int


def category_rows(measurement: Measurement) -> list[CategoryRow]:
    """Return a row for each category with drawings, the worst mAP first."""
    labels = measurement.labels
    rows = [_row(measurement, str(name), labels == name) for name in np.unique(labels)]
    return sorted(rows, key=lambda row: (row.map, row.category))


def document(measurement: Measurement, intervals: Intervals) -> dict[str, Any]:
    """Return the measurement as the JSON document of ``evaluate --json``; docs/evaluation.md."""
    scores = measurement.scores
    means = {figure: scores.mean(figure) for figure in FIGURES}
    return {
        **{figure: None if math.isnan(mean) else mean for figure, mean in means.items()},
        "queries": scores.counted("map"),
        "gallery": len(measurement.gallery),
        "encoder": measurement.encoder,
        "ranking": measurement.ranking,
        "distractors": measurement.distractors,
        "instance_queries": scores.counted("recall_at_1"),
        "intervals": intervals.bounds,
        "bootstrap": {
            "resampled": intervals.resampled,
            "samples": intervals.samples,
            "seed": intervals.seed,
        },
        "categories": category_rows(measurement),
        "not_counted": measurement.not_counted,
        "unreadable": measurement.unreadable,
    }


def tables(measurement: Measurement, intervals: Intervals) -> Group:
    """Return what `evaluate` prints for people: the figures, then the categories."""
    return Group(
        _figures(measurement, intervals),
        _summary(measurement, intervals),
        "",
        _categories(measurement),
    )


def left_out(measurement: Measurement) -> list[str]:
    """Return a line of markup for each category and file that does not count."""
    lines = [
        f"[yellow]Not counted:[/] {count} drawings of {escape(category)}: there is no photo of it."
        for category, count in measurement.not_counted.items()
    ]
    return lines + [
        f"[yellow]Left out:[/] {escape(item.file)}: {escape(item.reason)}"
        for item in measurement.unreadable
    ]


def write_csv(measurement: Measurement, path: Path) -> None:
    """Write the rows of :func:`category_rows`, with a heading, as UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CategoryRow.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(row) for row in category_rows(measurement))


def _row(measurement: Measurement, category: str, mine: Mask) -> CategoryRow:
    scores = measurement.scores
    found = [measurement.gallery[row].category for row in scores.top[mine, 0]]
    wrong = Counter(name or "(distractor)" for name in found if name != category)
    # Of those that are as frequent, the first by name: not whichever was counted first.
    mistaken_for, times = min(
        wrong.items(), key=lambda item: (-item[1], item[0]), default=(None, 0)
    )

    def mean(figure: str) -> float:
        return float(scores.values[figure][mine].mean())

    return CategoryRow(
        category=category,
        queries=int(mine.sum()),
        map=mean("map"),
        hit_at_1=mean("hit_at_1"),
        hit_at_5=mean("hit_at_5"),
        mistaken_for=mistaken_for,
        times=times,
    )


def _figures(measurement: Measurement, intervals: Intervals) -> Table:
    table = Table("", "", "95 % interval", box=None, header_style="dim")
    for figure in FIGURES:
        mean, bounds = measurement.scores.mean(figure), intervals.bounds[figure]
        table.add_row(
            _NAMES[figure],
            "–" if math.isnan(mean) else f"[bold]{mean:.3f}[/]",
            f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "–",
        )
    return table


def _summary(measurement: Measurement, intervals: Intervals) -> str:
    scores = measurement.scores
    distractors = f" ({measurement.distractors} distractors)" if measurement.distractors else ""
    return (
        f"[dim]{scores.counted('map')} drawings, {scores.counted('recall_at_1')} of them with "
        f"their own photo, among {len(measurement.gallery)} photos{distractors} · "
        f"{measurement.encoder}\n"
        f"Intervals: {intervals.samples} bootstrap samples of {intervals.resampled}, "
        f"seed {intervals.seed}[/]"
    )


def _categories(measurement: Measurement) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("Category")
    for name in ("Drawings", "mAP", "hit@1", "hit@5"):
        table.add_column(name, justify="right")
    table.add_column("Most often mistaken for")
    for row in category_rows(measurement):
        mistaken = f"{escape(row.mistaken_for)} [dim]× {row.times}[/]" if row.mistaken_for else ""
        figures = (f"{value:.3f}" for value in (row.map, row.hit_at_1, row.hit_at_5))
        table.add_row(escape(row.category), str(row.queries), *figures, mistaken)
    return table
