"""From the photos nearest to a drawing to the order in which they are shown.

The first few are *varied* (Carbonell and Goldstein 1998, "maximal marginal relevance"): where an
encoder is unsure, five guesses of one kind are one guess. Those after them are nearest to the
drawing *expanded* by the first photos found (Chum et al. 2007, "Total recall"), since photos know
each other better than any drawing knows a photo. Both compare photos with one another, by that part
of the embeddings that the encoder names. numpy only; whoever holds the photos says which are
nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Key = TypeVar("Key", bound=Hashable)

VARIED: Final = 5  # photos that are chosen to differ: as many as a card shows
POOL: Final = 30  # photos that these are chosen from
DIVERSITY: Final = 0.12  # how much being like a photo above counts against being like the drawing
EXPANSION: Final = 1.0  # how much being like the first photos counts for it
EVERYTHING: Final = slice(None)
_EXPANDED_BY: Final = 5  # photos
_TEMPERATURE: Final = 0.1  # of their shares
_LEAST: Final = 1e-9  # length, so that nothing is divided by nought


class Neighbours(NamedTuple, Generic[Key]):
    """The photos nearest to a vector, nearest first: keys, and embeddings (n, dim) of unit length.

    Embeddings after the first POOL may be left out.
    """

    keys: list[Key]
    vectors: Floats


def order(
    query: Floats,
    nearest: Callable[[Floats, int], Neighbours[Key]],
    count: int,
    compared: slice = EVERYTHING,
) -> list[Key]:
    """Return the keys of `count` photos in the order in which they are shown.

    `query` (dim,) is a drawing's embedding, of unit length; `nearest` finds so many photos for a
    vector, or all that there are. `compared` is the part of embeddings by which photos are compared
    with one another.
    """
    near = nearest(query, max(count, POOL))
    pool = near.vectors[:POOL]
    alike = _unit(pool[:, compared])
    chosen = [near.keys[row] for row in varied(pool @ query, alike, min(VARIED, count))]
    if count > len(chosen):
        further = nearest(expanded(query, pool, compared), count).keys
        shown = set(chosen)
        chosen += [key for key in further if key not in shown]
    return chosen[:count]


def varied(scores: Floats, vectors: Floats, count: int) -> list[int]:
    """Choose `count` rows, each the best by its score less its likeness to the most alike so far.

    `scores` (n,) fall, `vectors` (n, dim) are of unit length; the first row is always the first.
    """
    chosen: list[int] = []
    likeness = np.zeros(len(scores), vectors.dtype)
    left = np.ones(len(scores), bool)
    while len(chosen) < min(count, len(scores)):
        best = int(np.where(left, scores - DIVERSITY * likeness, -np.inf).argmax())
        alike = vectors @ vectors[best]
        likeness = np.maximum(likeness, alike) if chosen else alike
        left[best] = False
        chosen.append(best)
    return chosen


def expanded(query: Floats, vectors: Floats, compared: slice = EVERYTHING) -> Floats:
    """Add to a drawing's embedding (dim,) what makes photos score that are like the first found.

    A photo's inner product with the result is that with the drawing, and EXPANSION times the mean
    cosine of its `compared` part with those of the first of `vectors` (n, dim).
    """
    first = vectors[:_EXPANDED_BY]
    shares = np.exp((first @ query - (first @ query).max()) / _TEMPERATURE)
    part = first[:, compared]
    length = max(float(np.linalg.norm(part, axis=1).mean()), _LEAST)  # the same in every photo
    longer = query.copy()
    longer[compared] += EXPANSION / length * (shares / shares.sum()) @ _unit(part)
    return longer


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST))
