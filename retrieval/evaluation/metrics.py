"""Rankings and their figures, from embeddings, categories and instances alone.

Arrays in, arrays out: no files, no encoder, no names of categories. Every figure is kept query by
query, because means, intervals and worst cases are all made of those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from retrieval import ranking

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FIGURES: Final = (
    "map",
    "map_at_200",
    "precision_at_10",
    "hit_at_1",
    "hit_at_5",
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "recall_at_1_within_category",
)
UNKNOWN: Final = -1  # the label of what is of no category, the instance of what has none
TOP: Final = 5  # photos of each ranking that are kept, to be shown

_BLOCK: Final = 128  # queries ranked at once: some 100 MB for a gallery of 12,500


@dataclass(frozen=True, slots=True)
class Embedded:
    """Queries or a gallery: ``vectors`` (n, dim) and their numbers, arrays or tensors on the CPU.

    ``labels`` (n,) are categories, ``instances`` (n,) say which photo a picture is or was drawn
    from; UNKNOWN equals nothing, not even itself. A query's own photo is of the query's category.
    """

    vectors: npt.ArrayLike
    labels: npt.ArrayLike
    instances: npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Scores:
    """How each query was answered.

    ``values`` holds an array (n,) for each of FIGURES, NaN where a query does not count: it has no
    right photo in the gallery or, for the recalls, not the photo that it was drawn from. ``top``
    (n, at most TOP) are rows of the gallery, best first; ``first_right`` (n,) is the rank, from 1,
    of the first photo of the query's category, 0 where there is none.
    """

    values: dict[str, Floats]
    top: Integers
    first_right: Integers

    def counted(self, figure: str) -> int:
        """Return how many queries count for a figure."""
        return int((~np.isnan(self.values[figure])).sum())

    def mean(self, figure: str) -> float:
        """Return a figure's mean over the queries that count for it, NaN if there are none."""
        return float(np.nanmean(self.values[figure])) if self.counted(figure) else float("nan")

    def __str__(self) -> str:
        return (
            f"mAP {self.mean('map'):.3f}  "
            f"hit@1 {self.mean('hit_at_1'):.3f}  hit@5 {self.mean('hit_at_5'):.3f}"
        )


def rank(queries: npt.NDArray[np.floating], gallery: npt.NDArray[np.floating]) -> Integers:
    """Return the gallery's rows in order for every query, (queries, gallery): best first.

    Scores are inner products of (n, dim) and (m, dim). Equal scores stand in the gallery's order,
    so that the same embeddings always give the same figures.
    """
    return np.argsort(-(queries @ gallery.T), axis=1, kind="stable")


def rank_as_shown(
    queries: npt.NDArray[np.floating],
    gallery: npt.NDArray[np.floating],
    compared: slice = ranking.EVERYTHING,
) -> Integers:
    """Rank as :func:`rank` does, then order as members are shown: :mod:`retrieval.ranking`.

    Both are extended embeddings: :mod:`retrieval.hubness`.
    """

    def nearest(query: npt.NDArray[np.floating], _: int) -> ranking.Neighbours[int]:
        (rows,) = rank(query[None], gallery)
        return ranking.Neighbours(rows.tolist(), gallery[rows[: ranking.POOL]])

    orders = [ranking.order(query, nearest, len(gallery), compared) for query in queries]
    return np.array(orders, np.int64)


def evaluate(
    queries: Embedded,
    gallery: Embedded,
    report: Callable[[int, int], None] = lambda _, __: None,
    rank: Callable[[npt.NDArray[np.floating], npt.NDArray[np.floating]], Integers] = rank,
) -> Scores:
    """Rank the gallery for every query and score the rankings; docs/evaluation.md says how.

    Args:
        queries: what is asked.
        gallery: what is ranked.
        report: told how many queries are done, of how many.
        rank: how the gallery is put in order for queries; by similarity alone unless told.

    Raises:
        ValueError: no query has a right photo in the gallery, or a number is not finite.
    """
    vectors, labels, instances = _arrays(queries)
    stock, stock_labels, stock_instances = _arrays(gallery)
    parts = []
    for rows in _blocks(len(vectors)):
        order = rank(vectors[rows], stock)
        right = _same(labels[rows], stock_labels[order])
        own = _same(instances[rows], stock_instances[order])
        first = np.where(right.any(axis=1), right.argmax(axis=1) + 1, 0)
        parts.append((_figures(right, own), order[:, :TOP], first))
        report(min(rows.stop, len(vectors)), len(vectors))
    if not any(first.any() for _, _, first in parts):
        raise ValueError("no query has a right answer in the gallery")
    return Scores(
        {key: np.concatenate([figures[key] for figures, _, _ in parts]) for key in FIGURES},
        np.concatenate([top for _, top, _ in parts]),
        np.concatenate([first for _, _, first in parts]),
    )


def average_precision(right: Mask, depth: int | None = None) -> Floats:
    """Average the precisions at the right photos of each ranking (n, m), as far as ``depth``.

    With R right photos in the gallery the divisor is R, or min(R, depth): the most that could be
    found (the SAKE code of Liu et al., ICCV 2019, divides so; others divide by what *was* found and
    get higher figures). NaN where R is 0. Not interpolated: Manning, Raghavan, Schütze 2008, 8.4.
    """
    seen = right[:, :depth]
    most = right.sum(axis=1).clip(max=depth)
    precision = seen.cumsum(axis=1) / np.arange(1, seen.shape[1] + 1)
    with np.errstate(invalid="ignore"):
        return np.asarray((precision * seen).sum(axis=1) / most)


def _figures(right: Mask, own: Mask) -> dict[str, Floats]:
    """Score rankings (n, m): which photos are of the query's category, which are its own photo."""
    answerable, paired = right.any(axis=1), own.any(axis=1)
    first_right = right.argmax(axis=1)

    def where(counts: npt.ArrayLike, values: npt.ArrayLike) -> Floats:
        return np.where(counts, values, np.nan)

    return {
        "map": average_precision(right),
        "map_at_200": average_precision(right, 200),
        # A gallery of fewer than 10 photos cannot reach 1, as in trec_eval.
        "precision_at_10": where(answerable, right[:, :10].sum(axis=1) / 10),
        "hit_at_1": where(answerable, right[:, 0]),
        "hit_at_5": where(answerable, right[:, :5].any(axis=1)),
        "recall_at_1": where(paired, own[:, 0]),
        "recall_at_5": where(paired, own[:, :5].any(axis=1)),
        "recall_at_10": where(paired, own[:, :10].any(axis=1)),
        # Leaving out other categories leaves the order of the rest as it is.
        "recall_at_1_within_category": where(paired, own[np.arange(len(own)), first_right]),
    }


def _same(queries: Integers, ranked: Integers) -> Mask:
    """Compare the queries' numbers (n,) with those of their rankings (n, m)."""
    return np.asarray((ranked == queries[:, None]) & (queries != UNKNOWN)[:, None])


def _arrays(side: Embedded) -> tuple[npt.NDArray[np.floating], Integers, Integers]:
    vectors = np.asarray(side.vectors)
    labels = np.asarray(side.labels, np.int64)
    instances = np.asarray(side.instances, np.int64)
    if not len(vectors) == len(labels) == len(instances):
        raise ValueError("each embedding needs one label and one instance")
    if not np.isfinite(vectors).all():  # sorted, they would still give figures, and not bad ones
        raise ValueError("an embedding is not finite")
    return vectors, labels, instances


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))
