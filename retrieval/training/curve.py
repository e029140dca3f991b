"""The picture of a run: loss and validation figures over steps."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

_SHOWN = {"unseen_map": "unseen categories, mAP", "held_map": "held-out drawings, mAP"}


def draw(metrics: Path, out: Path) -> None:
    """Draw a run's `metrics.jsonl` as a PNG of 900 × 450 pixels."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    figure = Figure(figsize=(9, 4.5), dpi=100, layout="constrained")
    left = figure.subplots()
    left.plot(
        [row["step"] for row in rows],
        _smooth([sum(row["losses"].values()) for row in rows]),
        color="0.7",
        label="loss (running mean)",
    )
    left.set(xlabel="step", ylabel="loss")
    right = left.twinx()
    judged = [row for row in rows if row.get("figures")]
    for key, label in _SHOWN.items():
        points = [(row["step"], row["figures"][key]) for row in judged if key in row["figures"]]
        if points:
            right.plot(*zip(*points, strict=True), marker="o", label=label)
    right.set(ylabel="mAP", ylim=(0, 1))
    figure.legend(loc="upper center", ncols=3, frameon=False)
    part = out.with_suffix(".part")
    figure.savefig(part, format="png")
    part.replace(out)


def _smooth(values: list[float], keep: float = 0.95) -> list[float]:
    mean, smooth = 0.0, []
    for count, value in enumerate(values, start=1):
        mean = keep * mean + (1 - keep) * value
        smooth.append(mean / (1 - keep**count))
    return smooth
