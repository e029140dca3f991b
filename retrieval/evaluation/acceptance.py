"""Is another encoder better, judged by votes on what the old one showed? Arrays in, numbers out.

Nobody has judged what only the new encoder shows. Counting that as bad favours the old one, leaving
it out favours the new one. So its chance of being good is estimated, by a logistic regression on
the votes: from the similarities that *both* encoders give it, and from how like it is to photos
that were judged for the same drawing (model-assisted estimation; for retrieval: Aslam and Yilmaz
2007, "Inferring document relevance from incomplete information"). A similarity that does not go
with the votes gets no weight, so a bad encoder cannot vouch for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from retrieval.evaluation.intervals import COVERAGE
from retrieval.evaluation.metrics import Floats

Outcome = Literal["better", "not worse", "worse", "too few"]

TOLERANCE: Final = 0.02  # encoders trained alike differ by as much (bench acceptance)
MOST_LOST: Final = 0.05  # a loss that the interval must exclude
FEWEST: Final = 30  # judged drawings
FEWEST_OF_A_KIND: Final = 8  # photos judged good, and as many failures
SAMPLES: Final = 200
_RIDGE: Final = 1.0
_STEPS: Final = 25
_FEATURES: Final = 6


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """One drawing: what was judged, and what each encoder shows now.

    Photos are rows of `old`, `new` (n,), the similarities of the drawing to some photos in standard
    deviations from its mean over the gallery, and of `alike` (n, n), those photos' likeness to one
    another. `votes` maps rows to whether they are good.
    """

    votes: Mapping[int, bool]
    shown_before: Sequence[int]
    shown: Sequence[int]
    old: npt.NDArray[np.floating]
    new: npt.NDArray[np.floating]
    alike: npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Shares of good photos among those shown, estimated, and what to make of them.

    `needed` is about how many judged drawings could tell, where these are too few; `unjudged` the
    share of what the new encoder shows that nobody judged.
    """

    verdict: Outcome
    score: float
    score_before: float
    difference: float
    interval: tuple[float, float]
    judged: int
    unjudged: float
    needed: int | None = None
    differences: Floats = field(default_factory=lambda: np.zeros(0))


def accept(cases: Sequence[JudgedCase], seed: int = 0, samples: int = SAMPLES) -> Acceptance:
    """Estimate how much better the new encoder is, with a 95 % interval over drawings.

    Every bootstrap sample draws whole drawings and fits the regression anew. Cases without a vote
    do not count.
    """
    cases = [case for case in cases if case.votes]
    kinds = [good for case in cases for good in case.votes.values()]
    if min(kinds.count(True), kinds.count(False)) < FEWEST_OF_A_KIND:
        nothing = (float("nan"), float("nan"))
        return Acceptance(
            "too few", nothing[0], nothing[0], nothing[0], nothing, len(cases), 1.0, FEWEST
        )
    table = _Table(cases)
    before, after = table.scores(np.ones(len(cases)))
    difference = float((after - before).mean())
    chance = np.random.default_rng(seed)
    drawn = []
    for _ in range(samples):
        times = chance.multinomial(len(cases), np.full(len(cases), 1 / len(cases))).astype(float)
        one, two = table.scores(times)
        drawn.append(float(((two - one) * times).sum() / len(cases)))
    low, high = np.percentile(drawn, COVERAGE) if drawn else (difference, difference)
    verdict, needed = _verdict(len(cases), difference, float(low), float(high))
    return Acceptance(
        verdict=verdict,
        score=float(after.mean()),
        score_before=float(before.mean()),
        difference=difference,
        interval=(float(low), float(high)),
        judged=len(cases),
        unjudged=table.unjudged,
        needed=needed,
        differences=after - before,
    )


def _verdict(count: int, difference: float, low: float, high: float) -> tuple[Outcome, int | None]:
    """Say what an interval means; where it means nothing, about how many drawings could tell."""
    if count < FEWEST:
        return "too few", FEWEST
    if low > 0:
        return "better", None
    if high < 0 and difference < -TOLERANCE:
        return "worse", None
    if difference >= -TOLERANCE:
        if low >= -MOST_LOST:
            return "not worse", None
        wide, room = difference - low, difference + MOST_LOST
    else:
        wide, room = high - difference, -difference
    # Intervals narrow with the root of how many there are.
    return "too few", max(count + 1, ceil(count * (wide / room) ** 2))


class _Table:
    """All photos that matter as rows of features, once for every sample of drawings."""

    def __init__(self, cases: Sequence[JudgedCase]) -> None:
        known, of_known, good = [], [], []
        shown: tuple[list[Floats], ...] = ([], [])
        told: tuple[list[float], ...] = ([], [])
        of_shown: tuple[list[int], ...] = ([], [])
        for number, case in enumerate(cases):
            for row, is_good in case.votes.items():
                known.append(_features(case, row))
                of_known.append(number)
                good.append(float(is_good))
            for side, rows in enumerate((case.shown_before, case.shown)):
                for row in rows:
                    shown[side].append(_features(case, row))
                    told[side].append(float(case.votes.get(row, np.nan)))
                    of_shown[side].append(number)
        everything = np.array(known)
        self._mean, self._spread = everything.mean(axis=0), everything.std(axis=0) + 1e-6
        self._known, self._good = self._scaled(known), np.array(good)
        self._of_known = np.array(of_known)
        self._shown = [self._scaled(rows) for rows in shown]
        self._told = [np.array(side) for side in told]
        self._of_shown = [np.array(side) for side in of_shown]
        self._count = len(cases)
        self.unjudged = float(np.isnan(self._told[1]).mean())

    def _scaled(self, rows: Sequence[Floats]) -> Floats:
        scaled = (np.array(rows).reshape(-1, _FEATURES) - self._mean) / self._spread
        return np.concatenate([np.ones((len(scaled), 1)), scaled], axis=1)

    def scores(self, times: Floats) -> tuple[Floats, Floats]:
        """Return each case's share of good photos, before and now, of a fit with these weights."""
        weights = _fit(self._known, self._good, times[self._of_known])
        found = []
        for features, told, of in zip(self._shown, self._told, self._of_shown, strict=True):
            likely = np.where(np.isnan(told), _logistic(features @ weights), told)
            count = np.bincount(of, minlength=self._count).clip(min=1)
            found.append(np.bincount(of, likely, self._count) / count)
        return found[0], found[1]


def _features(case: JudgedCase, row: int) -> Floats:
    """Say what tells of a photo without its own vote."""
    others = {other: good for other, good in case.votes.items() if other != row}

    def most_alike(kind: bool) -> tuple[float, float]:
        like = [float(case.alike[row, other]) for other, good in others.items() if good is kind]
        return max(like, default=0.0), float(bool(like))

    return np.array([case.old[row], case.new[row], *most_alike(True), *most_alike(False)])


def _fit(features: Floats, good: Floats, times: Floats) -> Floats:
    """Fit a logistic regression with a ridge by Newton's method; returns its weights."""
    weights = np.zeros(features.shape[1])
    ridge = np.eye(len(weights)) * _RIDGE
    ridge[0, 0] = 1e-3
    for _ in range(_STEPS):
        likely = _logistic(features @ weights)
        slope = features.T @ (times * (likely - good)) + ridge @ weights
        curve = (features * (times * likely * (1 - likely))[:, None]).T @ features + ridge
        step = np.asarray(np.linalg.solve(curve, slope), np.float64)
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _logistic(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))))
