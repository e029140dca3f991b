"""How like drawings in general a photo is, which must not count for it when one drawing asks.

Some photos lie near every drawing, "hubs" of the space, and come first for many to which they do
not belong; photos of things that an encoder was trained on are likelier to. What a photo scores is
therefore its similarity to the drawing less its *hubness*, T log mean exp(similarity / T) over many
drawings: the logarithm of an inverted softmax (Smith et al. 2017, arXiv 1702.03859; Bogolin et al.
2022, "Cross modal retrieval with querybank normalisation").

As hubness belongs to the photo alone, one number more makes an inner product of it: drawings are
*extended* by 1, photos by their hubness taken away. numpy only. The drawings are those that the
encoder was trained on, by their principal components; they lie in a file beside its checkpoint,
which `magic-pencil train` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from retrieval import ranking
from retrieval.disk import write_whole

Floats = npt.NDArray[np.float32]
Key = TypeVar("Key")

# Flatter than the .1 that the shipped encoder was trained with. Lower gains more where drawings of
# unknown things search among photos of known ones, and loses as much the other way round.
TEMPERATURE: Final = 0.125
COMPONENTS: Final = 40
MOST: Final = 4000  # drawings kept
# Photos nearest by similarity that are looked at for the best by score. Measured among 2,976: a
# hundred hold all but 1 in 10,000 of the best thirty.
CANDIDATES: Final = 120
_PHOTOS_AT_ONCE: Final = 1024
_ENCODER: Final = "encoder"
_WAY_OUT: Final = "Copy it again, or delete it: photos are then ranked by similarity alone."


@dataclass(frozen=True, slots=True)
class Hubness:
    """Drawings in general, for the encoder of that digest; of none, every photo's hubness is 0.

    Drawing n is `mean` (dim,) + `coordinates[n]` (components,) @ `basis` (components, dim).
    """

    encoder: str
    mean: Floats
    basis: Floats
    coordinates: Floats

    def of(self, photos: Floats) -> Floats:
        """Return the hubness (n,) of photos, whose embeddings are (n, dim)."""
        found = np.zeros(len(photos), np.float32)
        if len(self.coordinates):
            for start in range(0, len(photos), _PHOTOS_AT_ONCE):
                some = photos[start : start + _PHOTOS_AT_ONCE]
                similarities = (some @ self.basis.T) @ self.coordinates.T
                shares = np.exp(similarities / TEMPERATURE).mean(axis=1)
                found[start : start + len(some)] = some @ self.mean + TEMPERATURE * np.log(shares)
        return found

    def extended_photos(self, photos: Floats) -> Floats:
        """Return the embeddings (n, dim + 1) of photos, extended."""
        return np.concatenate([photos, -self.of(photos)[:, None]], axis=1, dtype=np.float32)

    def by_score(
        self, by_similarity: Callable[[Floats, int], ranking.Neighbours[Key]]
    ) -> Callable[[Floats, int], ranking.Neighbours[Key]]:
        """Make a search for the best by score of one for the nearest by similarity.

        What is made takes an extended query, and gives extended vectors.
        """

        def best(query: Floats, count: int) -> ranking.Neighbours[Key]:
            found = by_similarity(query[:-1], max(count, CANDIDATES))
            vectors = self.extended_photos(found.vectors)
            rows = np.argsort(-(vectors @ query), kind="stable")[:count]
            return ranking.Neighbours([found.keys[row] for row in rows], vectors[rows])

        return best


def extended_queries(drawings: Floats) -> Floats:
    """Return the embeddings (n, dim + 1) of drawings (n, dim), extended."""
    return np.concatenate([drawings, np.ones((len(drawings), 1))], axis=1, dtype=np.float32)


def none(dim: int) -> Hubness:
    """Return what leaves scores as they are, for an encoder of which nothing is known."""
    empty = np.zeros((0, dim), np.float32)
    return Hubness("", np.zeros(dim, np.float32), empty, np.zeros((0, 0), np.float32))


def measured(drawings: Floats, encoder: str) -> Hubness:
    """Keep drawings, embeddings (n, dim), or some of them by chance: the same ones every time."""
    if len(drawings) > MOST:
        drawings = drawings[np.random.default_rng(0).permutation(len(drawings))[:MOST]]
    mean = drawings.mean(axis=0)
    _, _, directions = np.linalg.svd(drawings - mean, full_matrices=False)
    basis = directions[:COMPONENTS]
    return Hubness(encoder, mean, basis, (drawings - mean) @ basis.T)


def beside(checkpoint: Path) -> Path:
    """Return where a checkpoint's lies."""
    return checkpoint.with_suffix(".hubness.safetensors")


def save(hubness: Hubness, path: Path) -> None:
    """Write it: coordinates in 8 bits, the basis in 16."""
    unit = np.maximum(np.abs(hubness.coordinates).max(axis=0), 1e-9) / 127
    tensors = {
        "mean": hubness.mean.astype(np.float32),
        "basis": hubness.basis.astype(np.float16),
        "unit": unit.astype(np.float32),
        "coordinates": np.round(hubness.coordinates / unit).astype(np.int8),
    }
    write_whole(path, safetensors.numpy.save(tensors, {_ENCODER: hubness.encoder}))


def load(path: Path, encoder: str, dim: int) -> Hubness:
    """Read the one of that encoder; where there is none, what leaves scores as they are.

    Raises OSError if the file is broken.
    """
    if not path.exists():
        return none(dim)
    try:
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get(_ENCODER) != encoder:
                return none(dim)
            mean, basis, unit, coordinates = (
                file.get_tensor(name).astype(np.float32)
                for name in ("mean", "basis", "unit", "coordinates")
            )
    except SafetensorError as error:
        raise OSError(f"{path.name} cannot be read: {error}. {_WAY_OUT}") from error
    if mean.shape != (dim,) or basis.shape[1:] != (dim,) or coordinates.shape[1:] != unit.shape:
        raise OSError(f"{path.name} does not fit its encoder. {_WAY_OUT}")
    return Hubness(encoder, mean, basis, coordinates * unit)
