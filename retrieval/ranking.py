"""From the photos nearest to a drawing to the order in which they are shown.

The first few are *varied* (Carbonell and Goldstein 1998, "maximal marginal relevance"): where an
encoder is unsure, five guesses of one kind are one guess. Those after them are nearest to the
drawing *expanded* by the first photos found (Chum et al. 2007, "Total recall"), since photos know
each other better than any drawing knows a photo. numpy only; whoever holds the photos says which
are nearest.
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
DIVERSITY: Final = 0.2  # how much being like a photo above counts against being like the drawing
EXPANSION: Final = 0.5  # length of what is added to a drawing's embedding, whose own length is 1
_EXPANDED_BY: Final = 5  # photos
_TEMPERATURE: Final = 0.1  # of their shares


class Neighbours(NamedTuple, Generic[Key]):
    """The photos nearest to a vector, nearest first: keys, and embeddings (n, dim) of unit length.

    Embeddings after the first POOL may be left out.
    """

    keys: list[Key]
    vectors: Floats


def order(
    query: Floats, nearest: Callable[[Floats, int], Neighbours[Key]], count: int
) -> list[Key]:
    """Return the keys of `count` photos in the order in which they are shown.

    `query` (dim,) is a drawing's embedding, of unit length; `nearest` finds so many photos for a
    vector, or all that there are.
    """
    near = nearest(query, max(count, POOL))
    pool = near.vectors[:POOL]
    chosen = [near.keys[row] for row in varied(pool @ query, pool, min(VARIED, count))]
    if count > len(chosen):
        further = nearest(expanded(query, pool), count).keys
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


def expanded(query: Floats, vectors: Floats) -> Floats:
    """Add to a drawing's embedding (dim,) the mean direction of the first of `vectors` (n, dim)."""
    first = vectors[:_EXPANDED_BY]
    shares = np.exp((first @ query - (first @ query).max()) / _TEMPERATURE)
    mean = shares @ first
    return np.asarray(query + EXPANSION * mean / max(float(np.linalg.norm(mean)), 1e-9))
