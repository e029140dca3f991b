"""From photos and their embeddings to an index and its records: made anew, or grown from the last.

An exact index is cheap to make anew. One with inverted lists is grown: what is gone is taken out,
what is new is put in, and everything else keeps its slot, so that a hundred photos more cost
seconds among a million.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from retrieval.embeddings import FloatArray
from retrieval.index import structure
from retrieval.index.generation import Generation, read_index
from retrieval.index.records import IndexedPhoto
from retrieval.index.structure import Structure

_CHUNK: Final = 10_000
_CHECKED: Final = 64  # photos that a finished generation must find
_MOST_EMPTY: Final = 0.5  # share of slots; with as many left over the index is made anew

VectorOf = Callable[[str], FloatArray]


@dataclass(frozen=True, slots=True)
class Assembled:
    """A faiss index, what stands in its slots in order, and some embeddings that it must find."""

    index: Any
    slots: Iterator[IndexedPhoto | bytes | None]
    structure: Structure
    known: FloatArray | None


def fresh(
    photos: Mapping[str, IndexedPhoto],
    vector_of: VectorOf,
    dim: int,
    asked: FloatArray | None = None,
) -> Assembled:
    """Make the index of `photos`, by their ids, anew.

    Args:
        photos: what the generation is to hold.
        vector_of: gives the embedding (dim,) of a photo by its id.
        dim: numbers in an embedding.
        asked: embeddings of drawings (n, dim) to measure an index with that is not exact.
    """
    ids = list(photos)

    def chunks() -> Iterator[FloatArray]:
        for start in range(0, len(ids), _CHUNK):
            yield np.stack([vector_of(photo_id) for photo_id in ids[start : start + _CHUNK]])

    index, made = structure.make(chunks, len(ids), dim, asked)
    known = _known(ids, vector_of)
    return Assembled(index, iter(photos.values()), made, known)


def can_grow(before: Generation, count: int) -> bool:
    """Say whether the index of a generation may become one of `count` photos."""
    had = before.manifest.structure
    return bool(had.probes) and had.fits(count) and count > _MOST_EMPTY * before.photos.slots


def grow(
    before: Generation,
    gone: Container[str],
    changed: Mapping[str, IndexedPhoto],
    vector_of: VectorOf,
) -> Assembled:
    """Take photos out of a generation's index and put others in.

    Args:
        before: a generation of the same encoder.
        gone: ids of photos to take out.
        changed: photos that are new, or of which other things are known now, by their ids.
        vector_of: gives the embedding (dim,) of a photo by its id.
    """
    index = read_index(before.folder)
    records: dict[int, IndexedPhoto | None] = {}
    new = dict(changed)
    for slot, photo in before.photos.items():
        if photo.photo_id in gone:
            records[slot] = None
        elif edited := new.pop(photo.photo_id, None):
            records[slot] = edited
    empty = [slot for slot, photo in records.items() if photo is None]
    if empty:
        index.remove_ids(np.array(empty, np.int64))
    ids = list(new)
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        slots = before.photos.slots + start + np.arange(len(some), dtype=np.int64)
        index.add_with_ids(np.stack([vector_of(photo_id) for photo_id in some]), slots)

    def contents() -> Iterator[IndexedPhoto | bytes | None]:
        for slot in range(before.photos.slots):
            yield records[slot] if slot in records else before.photos.raw(slot)
        yield from new.values()

    known = _known(ids, vector_of)
    return Assembled(index, contents(), before.manifest.structure, known)


def _known(ids: Sequence[str], vector_of: VectorOf) -> FloatArray | None:
    few = ids[:: max(1, len(ids) // _CHECKED)]
    return np.stack([vector_of(photo_id) for photo_id in few]) if few else None
