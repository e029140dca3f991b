"""Does the rule that accepts encoders accept the better ones? Votes simulated on known categories.

For every ordered pair of encoders: votes are gathered on what the first shows, the second is judged
by them, and the estimate is compared with the true difference in the share of right photos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations
from pathlib import Path

import msgspec
import numpy as np

from retrieval.bench.voting import Shown, Trial, World, agreement
from retrieval.encoder import load_encoder
from retrieval.evaluation.acceptance import Outcome


class Pair(msgspec.Struct, frozen=True):
    """One encoder judged by votes on another's answers; means over the rounds."""

    incumbent: str
    candidate: str
    cases: int
    truth: float
    estimate: float | None  # of the rounds that came to one
    low: float | None
    high: float | None
    verdicts: dict[Outcome, int]


class Figures(msgspec.Struct, frozen=True):
    """What the simulation gave.

    `verdicts` are counted by the number of cases and by what is true: the candidate is "worse" or
    "better" by more than .03, or "alike". Of these, `accepted_worse` and `refused_better` are
    wrong.
    """

    drawings: int
    photos: int
    precision_at_5: dict[str, float]
    alike_of_one_category: dict[str, float]
    verdicts: dict[str, dict[str, dict[Outcome, int]]]
    accepted_worse: int
    refused_better: int
    decisions: int
    correlation: float | None
    mean_error: float | None
    truth_in_interval: float | None
    pairs: tuple[Pair, ...]


def measure(
    data: Path,
    checkpoints: Sequence[Path | None],
    device: str,
    cases: Sequence[int],
    rounds: int,
    tell: Callable[[str], None],
    most_drawings: int = 1000,
) -> Figures:
    """Simulate; `data` holds `sketch` and `photo`, folders by category. None is what ships.

    Raises OSError where there is no such data.
    """
    world = World.read(data, most_drawings)
    shown: dict[str, Shown] = {}
    for checkpoint in checkpoints:
        encoder = load_encoder(checkpoint, device)
        tell(f"{encoder.label}: {len(world.asked)} drawings, {len(world.category)} photos")
        shown[encoder.label] = world.shown(encoder)
    pairs: list[Pair] = []
    trials: list[Trial] = []
    for count in cases:
        for old, new in permutations(shown, 2):
            some = [world.judge(shown[old], shown[new], count, seed) for seed in range(rounds)]
            trials += some
            pairs.append(_pair(old, new, some))
            tell(f"{count} cases, {old} → {new}: {pairs[-1].truth:+.3f} {pairs[-1].verdicts}")
    return _figures(world, shown, pairs, trials)


def _pair(old: str, new: str, trials: Sequence[Trial]) -> Pair:
    def mean(values: Sequence[float]) -> float | None:
        return round(float(np.mean(values)), 4) if values else None

    found = [trial.found for trial in trials if not np.isnan(trial.found.difference)]
    return Pair(
        incumbent=old,
        candidate=new,
        cases=trials[0].cases,
        truth=round(trials[0].truth, 4),
        estimate=mean([one.difference for one in found]),
        low=mean([one.interval[0] for one in found]),
        high=mean([one.interval[1] for one in found]),
        verdicts=_counted(trials),
    )


def _counted(trials: Iterable[Trial]) -> dict[Outcome, int]:
    return dict(Counter(trial.found.verdict for trial in trials))


def _figures(
    world: World, shown: dict[str, Shown], pairs: list[Pair], trials: list[Trial]
) -> Figures:
    verdicts = {
        str(count): {
            kind: counted
            for kind in ("worse", "alike", "better")
            if (counted := _counted(t for t in trials if (t.cases, t.kind) == (count, kind)))
        }
        for count in dict.fromkeys(trial.cases for trial in trials)
    }
    told = [trial for trial in trials if not np.isnan(trial.found.difference)]
    truths = [trial.truth for trial in told]
    estimates = [trial.found.difference for trial in told]
    inside = [t.found.interval[0] <= t.truth <= t.found.interval[1] for t in told]
    kinds = [(trial.kind, trial.found.verdict) for trial in trials]
    return Figures(
        drawings=len(world.asked),
        photos=len(world.category),
        precision_at_5={name: round(float(one.right.mean()), 4) for name, one in shown.items()},
        alike_of_one_category={
            name: round(agreement(one.side, world.category), 3) for name, one in shown.items()
        },
        verdicts=verdicts,
        accepted_worse=kinds.count(("worse", "better")) + kinds.count(("worse", "not worse")),
        refused_better=kinds.count(("better", "worse")),
        decisions=len(kinds),
        correlation=(
            round(float(np.corrcoef(truths, estimates)[0, 1]), 4) if len(set(truths)) > 1 else None
        ),
        mean_error=round(float(np.abs(np.subtract(truths, estimates)).mean()), 4) if told else None,
        truth_in_interval=round(float(np.mean(inside)), 3) if told else None,
        pairs=tuple(pairs),
    )
