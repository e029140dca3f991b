"""How fast and how well the index of many vectors answers, beside plain search and another library.

Vectors are made up the way embeddings lie: in clusters of unequal size, with variance that falls
from direction to direction. (Uniformly random ones have no near neighbours, so that nothing but
comparing with all of them finds any.) Each index is measured in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import faiss
import msgspec
import numpy as np

from retrieval.embeddings import FloatArray
from retrieval.index import assemble, structure
from retrieval.index.generation import Generation, Manifest, write_generation
from retrieval.index.records import IndexedPhoto

QUERIES: Final = 200
GROWN_BY: Final = 100
_CHUNK: Final = 20_000
_CLUSTERS: Final = 4000


class Answers(msgspec.Struct, frozen=True):
    """How one index answered: medians of single queries on one thread; ``memory_mb`` is resident
    memory of its process with the index open, less what it was before."""

    median_ms: float
    recall_at_10: float
    memory_mb: float
    build_s: float


class Report(msgspec.Struct, frozen=True):
    """What was measured: `peak_mb` and `grow_peak_mb` are all that a process ever held, the old
    generation that serves beside the new one too."""

    vectors: int
    dim: int
    factory: str
    probes: int
    median_ms: float
    recall_at_10: float
    memory_mb: float
    peak_mb: float
    build_s: float
    grow_peak_mb: float
    grow_s: float  # 100 photos more: index read, grown, written, verified and opened
    peers: dict[str, Answers]


def measure(count: int, dim: int, seed: int, note: Callable[[str], None]) -> Report:
    """Build, publish, search and grow an index of `count` made-up vectors, then its peers'."""
    with tempfile.TemporaryDirectory(prefix="magic-pencil-bench-") as folder:
        truth = Path(folder) / "truth.npy"
        note("Comparing every query with every vector, to know what is right")
        made_up = MadeUp(count, dim, seed)
        np.save(truth, structure.exact(made_up.chunks, made_up.queries(), structure.NEIGHBOURS))
        note(f"Building {structure.choose(count)}, publishing it, searching it, growing it")
        built = _apart(_build, count, dim, seed, folder)
        served = _apart(_serve, count, dim, seed, folder)
        grown = _apart(_grow, count, dim, seed, folder)
        peers = {}
        for name, peer in _PEERS.items():
            note(f"Building {name}")
            try:
                peers[name] = Answers(**_apart(peer, count, dim, seed, folder))
            except ImportError:
                note(f"{name} is not installed (pip install {name.partition(' ')[0]})")
    return Report(vectors=count, dim=dim, peers=peers, **built, **served, **grown)


class MadeUp:
    """Unit vectors that can be made again, chunk by chunk, and queries like them."""

    def __init__(self, count: int, dim: int, seed: int) -> None:
        """Choose the clusters; sizes follow a power law."""
        self.count, self.dim, self.seed = count, dim, seed
        chance = np.random.default_rng(seed)
        self._spread = (np.arange(1, dim + 1) ** -0.5).astype(np.float32)
        self._centres = chance.normal(size=(_CLUSTERS, dim)).astype(np.float32) * self._spread
        sizes = chance.pareto(1.5, _CLUSTERS) + 0.2
        self._shares = sizes / sizes.sum()

    def chunks(self) -> Iterator[FloatArray]:
        """Yield all vectors (n, dim) in order."""
        for start in range(0, self.count, _CHUNK):
            yield self._some(min(_CHUNK, self.count - start), (self.seed, start), 0.7)

    def queries(self) -> FloatArray:
        """Return QUERIES vectors that are not in the index and further from the clusters."""
        return self._some(QUERIES, (self.seed, self.count, 1), 0.9)

    def _some(self, count: int, seed: tuple[int, ...], noise: float) -> FloatArray:
        chance = np.random.default_rng(seed)
        of = chance.choice(_CLUSTERS, count, p=self._shares)
        rows = self._centres[of] + noise * self._spread * chance.standard_normal(
            (count, self.dim), dtype=np.float32
        )
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows, np.float32)


def _build(count: int, dim: int, seed: int, folder: str) -> dict[str, Any]:
    started = time.perf_counter()
    index, chosen = structure.make(MadeUp(count, dim, seed).chunks, count, dim, None)
    made = assemble.Assembled(index, (_photo(n) for n in range(count)), chosen, None)
    _write(Path(folder) / "first", made, count, dim)
    return {
        "factory": chosen.factory,
        "probes": chosen.probes,
        "build_s": round(time.perf_counter() - started, 1),
        "peak_mb": _peak_mb(),
    }


def _serve(count: int, dim: int, seed: int, folder: str) -> dict[str, Any]:
    made_up, before = MadeUp(count, dim, seed), _resident_mb()
    generation = Generation.open(Path(folder) / "first")
    memory = round(_resident_mb() - before, 1)

    def ask(query: FloatArray) -> list[int]:
        return [int(hit.photo.name) for hit in generation.search(query, structure.NEIGHBOURS)]

    return {"memory_mb": memory, **_answers(made_up, folder, ask)}


def _grow(count: int, dim: int, seed: int, folder: str) -> dict[str, Any]:
    rows = MadeUp(count, dim, seed).queries()[:GROWN_BY]
    new = {f"{count + n:064x}": row for n, row in enumerate(rows)}
    photos = {photo_id: _photo(count + n) for n, photo_id in enumerate(new)}
    generation = Generation.open(Path(folder) / "first")
    started = time.perf_counter()
    grown = assemble.grow(generation, (), photos, new.__getitem__)
    _write(Path(folder) / "second", grown, count + len(new), dim)
    Generation.open(Path(folder) / "second").check_known(rows)
    return {"grow_s": round(time.perf_counter() - started, 2), "grow_peak_mb": _peak_mb()}


def _flat(count: int, dim: int, seed: int, folder: str) -> dict[str, Any]:
    made_up, before, started = MadeUp(count, dim, seed), _resident_mb(), time.perf_counter()
    index = faiss.IndexFlatIP(dim)
    for chunk in made_up.chunks():
        index.add(chunk)
    return {
        "build_s": round(time.perf_counter() - started, 1),
        "memory_mb": round(_resident_mb() - before, 1),
        **_answers(made_up, folder, lambda query: index.search(query[None], 10)[1][0].tolist()),
    }


def _usearch(count: int, dim: int, seed: int, folder: str) -> dict[str, Any]:
    from usearch.index import Index  # noqa: PLC0415 - not everybody has it

    made_up, before, started = MadeUp(count, dim, seed), _resident_mb(), time.perf_counter()
    index: Any = Index(ndim=dim, metric="ip", dtype="f16", expansion_search=128)
    place = 0
    for chunk in made_up.chunks():
        index.add(np.arange(place, place + len(chunk)), chunk)
        place += len(chunk)
    return {
        "build_s": round(time.perf_counter() - started, 1),
        "memory_mb": round(_resident_mb() - before, 1),
        **_answers(made_up, folder, lambda query: index.search(query, 10).keys.tolist()),
    }


_PEERS: Final = {"IndexFlatIP": _flat, "usearch (HNSW, half precision)": _usearch}


def _answers(
    made_up: MadeUp, folder: str, ask: Callable[[FloatArray], list[int]]
) -> dict[str, float]:
    """Ask one query at a time on one thread."""
    faiss.omp_set_num_threads(1)
    queries, truth = made_up.queries(), np.load(Path(folder) / "truth.npy")
    for query in queries[:10]:
        ask(query)
    seconds, found = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(ask(query))
        seconds.append(time.perf_counter() - started)
    recall = structure.recall_of(np.array(found), truth)
    return {
        "median_ms": round(1000 * statistics.median(seconds), 3),
        "recall_at_10": round(recall, 4),
    }


def _apart(
    work: Callable[[int, int, int, str], dict[str, Any]],
    count: int,
    dim: int,
    seed: int,
    folder: str,
) -> dict[str, Any]:
    """Do it in a process of its own, so that its memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(work, count, dim, seed, folder).result()


def _write(folder: Path, made: assemble.Assembled, count: int, dim: int) -> None:
    folder.mkdir()
    manifest = Manifest(
        "bench", "bench", time.time(), count, dim, made.structure, "0" * 64, "made up", "0", 0, {}
    )
    write_generation(folder, manifest, made.slots, made.index)


def _photo(number: int) -> IndexedPhoto:
    return IndexedPhoto(f"{number:064x}", str(number), f"Photo {number}", "", "")


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _resident_mb() -> float:
    with Path("/proc/self/status").open() as file:
        line = next(line for line in file if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
