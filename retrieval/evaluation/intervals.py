"""How sure a figure is: percentile bootstrap over categories, or over queries where these are few.

Arrays in, numbers out, as in :mod:`retrieval.evaluation.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from retrieval.evaluation.metrics import Floats, Integers, Scores

FEWEST_CATEGORIES: Final = 10
COVERAGE: Final = (2.5, 97.5)  # percentiles

_BLOCK: Final = 64  # samples drawn at once


@dataclass(frozen=True, slots=True)
class Intervals:
    """95 % intervals, ``bounds`` by figure, None where no query counts; and how they were made."""

    bounds: dict[str, tuple[float, float] | None]
    resampled: Literal["categories", "queries"]
    samples: int
    seed: int


def bootstrap(scores: Scores, labels: npt.ArrayLike, samples: int, seed: int) -> Intervals:
    """Bootstrap the mean of every figure (Efron and Tibshirani 1993, 13.3: percentiles).

    Queries of one category are correlated: the encoder knows a category or does not. So whole
    categories are drawn with replacement (a cluster bootstrap), which answers what other categories
    would have given; drawing single queries would make intervals that are much too narrow. With
    fewer than FEWEST_CATEGORIES there are too few to draw from: then queries are drawn, and the
    interval speaks of other drawings of these same categories only. The gallery is kept as it is.

    Args:
        scores: of n queries.
        labels: their categories, (n,).
        samples: how many times to draw; with 0 there are no intervals.
        seed: the same one gives the same intervals.
    """
    values = np.stack(list(scores.values.values()), axis=1)
    counts = ~np.isnan(values)
    counted = counts.any(axis=1)
    values, counts = np.nan_to_num(values[counted]), counts[counted].astype(np.float64)
    names, groups = np.unique(np.asarray(labels)[counted], return_inverse=True)
    by_category = len(names) >= FEWEST_CATEGORIES
    if by_category:
        values, counts = (_summed(rows, groups, len(names)) for rows in (values, counts))
    means = [_means(values, counts, draws) for draws in _draws(len(values), samples, seed)]
    drawn = np.concatenate(means) if means else np.full((1, values.shape[1]), np.nan)
    return Intervals(
        {figure: _percentiles(drawn[:, place]) for place, figure in enumerate(scores.values)},
        "categories" if by_category else "queries",
        samples,
        seed,
    )


def share(
    hits: npt.ArrayLike, of: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> tuple[float, float] | None:
    """Bootstrap a share over drawings: `hits` (n,) of `of` (n,) things each drawing has."""
    values, counts = (np.asarray(side, np.float64)[:, None] for side in (hits, of))
    if not counts.sum():
        return None
    means = [_means(values, counts, draws) for draws in _draws(len(values), samples, seed)]
    return _percentiles(np.concatenate(means)[:, 0])


def _summed(rows: Floats, groups: Integers, count: int) -> Floats:
    """Sum the rows (n, figures) of each group: (count, figures)."""
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, groups, rows)
    return sums


def _draws(count: int, samples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each of ``count`` things is drawn in each sample, (at most _BLOCK, count)."""
    chance = np.random.default_rng(seed)
    for start in range(0, samples, _BLOCK):
        size = min(_BLOCK, samples - start)
        yield chance.multinomial(count, np.full(count, 1 / count), size).astype(np.float64)


def _means(values: Floats, counts: Floats, draws: Floats) -> Floats:
    """Return the figures' means in each sample, NaN where nothing that counts was drawn."""
    with np.errstate(invalid="ignore"):
        return np.asarray((draws @ values) / (draws @ counts))


def _percentiles(drawn: Floats) -> tuple[float, float] | None:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return None
    low, high = np.percentile(drawn, COVERAGE)
    return float(low), float(high)
