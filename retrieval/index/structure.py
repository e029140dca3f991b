"""The structure of an index: exact while exact is cheap, inverted lists beyond that.

An inverted file (Jégou, Douze, Schmid 2011; faiss's IVF) sorts vectors into lists by the nearest of
some thousand centres and looks into a few lists only. How many is found by trying: as few as find
TARGET of what exact search finds, measured when an index is made and kept in its manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import faiss
import msgspec
import numpy as np

from retrieval.embeddings import FloatArray

EXACT_TO: Final = 50_000  # vectors; measured: 1e5 of 256 numbers take 9 ms on one thread
TARGET: Final = 0.97  # of recall@10 when an index is made; it may fall a little as the index grows
NEIGHBOURS: Final = 10

_EXACT: Final = "IDMap2,Flat"
_PER_CENTRE: Final = 40  # vectors that each centre is trained on; faiss warns below 39
_MOST_PROBES: Final = 1024
_CHUNK: Final = 20_000

Chunks = Callable[[], Iterator[FloatArray]]  # all vectors in order, a chunk (n, dim) at a time


class Structure(msgspec.Struct, frozen=True):
    """What an index is and how well it finds: `recall_at_10` of what exact search finds.

    `factory` is faiss's own description, `probes` the lists that a search looks into, 0 for an
    exact index. `measured_with` says what asked: drawings sent before, or photos of the index
    where there were none.
    """

    factory: str = _EXACT
    probes: int = 0
    recall_at_10: float = 1.0
    queries: int = 0
    measured_with: Literal["nothing", "drawings", "photos"] = "nothing"

    def parameters(self) -> Any:
        """Return the parameters of one search: a live index is never changed."""
        return _probing(self.probes) if self.probes else None

    def fits(self, count: int) -> bool:
        """Say whether an index of this structure may grow or shrink to `count` vectors."""
        if not self.probes:
            return count <= EXACT_TO
        # Far from the size that it was trained for, lists are too long or centres too many.
        return count > EXACT_TO and 0.5 <= centres(count) / _centres_of(self.factory) <= 2


def choose(count: int) -> str:
    """Return faiss's description of the structure for so many vectors."""
    return _EXACT if count <= EXACT_TO else f"IVF{centres(count)},SQfp16"


def centres(count: int) -> int:
    """Return how many lists so many vectors are sorted into: a power of 2 near 4 √count."""
    return int(2 ** round(np.log2(4 * count**0.5)))


def make(chunks: Chunks, count: int, dim: int, asked: FloatArray | None) -> tuple[Any, Structure]:
    """Make an index of `count` vectors, whose ids are their places, and measure it.

    `asked` are embeddings of drawings (n, dim) to measure with, if there are any.
    """
    factory = choose(count)
    index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(_sample(chunks, count, _PER_CENTRE * centres(count)))
    start = 0
    for chunk in chunks():
        index.add_with_ids(chunk, np.arange(start, start + len(chunk), dtype=np.int64))
        start += len(chunk)
    if factory == _EXACT:
        return index, Structure()
    return index, _measured(index, factory, chunks, count, asked)


def _measured(
    index: Any, factory: str, chunks: Chunks, count: int, asked: FloatArray | None
) -> Structure:
    """Find the fewest probes that reach TARGET, and say what they reach."""
    with_drawings = asked is not None and len(asked) >= 30
    queries = asked[-200:] if with_drawings and asked is not None else _sample(chunks, count, 200)
    truth = exact(chunks, queries, NEIGHBOURS)
    probes, recall = 1, 0.0
    while True:
        found = index.search(queries, NEIGHBOURS, params=_probing(probes))[1]
        recall = recall_of(found, truth)
        if recall >= TARGET or probes >= min(_MOST_PROBES, _centres_of(factory)):
            break
        probes *= 2
    return Structure(
        factory, probes, round(recall, 4), len(queries), "drawings" if with_drawings else "photos"
    )


def exact(chunks: Chunks, queries: FloatArray, count: int) -> Any:
    """Return the places of the `count` nearest vectors to each query, by comparing with all."""
    best = faiss.ResultHeap(len(queries), count, keep_max=True)
    start = 0
    for chunk in chunks():
        scores, places = faiss.knn(queries, chunk, count, metric=faiss.METRIC_INNER_PRODUCT)
        best.add_result(scores, places + start)
        start += len(chunk)
    best.finalize()
    return best.I


def recall_of(found: Any, truth: Any) -> float:
    """Return the mean share of each row of `truth` that is in the same row of `found`."""
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in pairs]))


def _sample(chunks: Chunks, count: int, wanted: int) -> FloatArray:
    """Take vectors evenly from all of them."""
    step = max(1, count // wanted)
    taken, start = [], 0
    for chunk in chunks():
        taken.append(chunk[-start % step :: step])
        start += len(chunk)
    return np.ascontiguousarray(np.concatenate(taken)[: max(wanted, 1)])


def _probing(lists: int) -> Any:
    make: Any = faiss.SearchParametersIVF  # faiss's stubs do not know its parameters
    return make(nprobe=lists)


def _centres_of(factory: str) -> int:
    return int(factory.partition(",")[0].removeprefix("IVF"))
