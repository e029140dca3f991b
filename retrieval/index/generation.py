"""One generation of an index: written once, verified when opened, then only read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import faiss
import msgspec
import numpy as np

from retrieval.embeddings import FloatArray
from retrieval.photos import sha256

INDEX_FILE = "index.faiss"
PHOTOS_FILE = "photos.msgpack"
MANIFEST_FILE = "manifest.json"
FORMAT = 1
# Exact search while exact is cheap: 1e5 vectors answer in under 10 ms on one thread.
FACTORY = "IDMap2,Flat"


class GenerationError(RuntimeError):
    """A generation on disk is damaged or not ours to read; building again mends it."""


class EncoderMismatchError(GenerationError):
    """The generation was built by another encoder: its vectors mean something else."""


class IndexedPhoto(msgspec.Struct, frozen=True, array_like=True):
    """What a generation knows of a photo; its row in the file is its id in the index."""

    photo_id: str  # SHA-256 of the file, hexadecimal
    name: str  # path inside the collection
    title: str
    credit: str
    licence: str


class Manifest(msgspec.Struct, frozen=True):
    """What a generation is, and the SHA-256 of each of its files."""

    generation: str
    collection: str
    created: float  # seconds since the Unix epoch
    photos: int
    dim: int
    factory: str
    encoder: str  # the checkpoint's digest
    encoder_name: str
    preprocessing: str
    unreadable: int
    files: dict[str, str]
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo found, with its cosine similarity to the query and its embedding (dim,)."""

    photo: IndexedPhoto
    score: float
    vector: FloatArray


def write_generation(
    folder: Path, manifest: Manifest, photos: Sequence[IndexedPhoto], vectors: FloatArray
) -> None:
    """Write a generation's files into an empty folder and flush them to the disk.

    Args:
        folder: an existing folder that nobody reads yet.
        manifest: everything but ``files``, which is filled in here.
        photos: n photos.
        vectors: their embeddings, shape (n, dim), L2-normalised rows.
    """
    index = faiss.index_factory(manifest.dim, manifest.factory, faiss.METRIC_INNER_PRODUCT)
    index.add_with_ids(vectors, np.arange(len(photos), dtype=np.int64))
    faiss.write_index(index, str(folder / INDEX_FILE))
    (folder / PHOTOS_FILE).write_bytes(msgspec.msgpack.encode(photos))
    digests = {name: sha256(folder / name) for name in (INDEX_FILE, PHOTOS_FILE)}
    manifest = msgspec.structs.replace(manifest, files=digests)
    (folder / MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    for name in (INDEX_FILE, PHOTOS_FILE, MANIFEST_FILE):
        flush_to_disk(folder / name)
    flush_to_disk(folder)


class Generation:
    """An opened generation. Immutable, so any number of threads may search it."""

    def __init__(self, manifest: Manifest, photos: list[IndexedPhoto], index: Any) -> None:
        """Hold what :meth:`open` read."""
        self.manifest = manifest
        self.photos = photos
        self._index = index

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a generation and check every byte of it against its manifest.

        faiss loads a file with a flipped byte without a word, so the check is ours to make.

        Raises:
            GenerationError: a file is missing, changed or of another format.
        """
        manifest = read_manifest_file(folder / MANIFEST_FILE)
        for name, digest in manifest.files.items():
            try:
                actual = sha256(folder / name)
            except OSError as error:
                raise GenerationError(f"{name} of {manifest.generation} is missing") from error
            if actual != digest:
                raise GenerationError(
                    f"{name} of generation {manifest.generation} is not what was written; "
                    "rebuild the index"
                )
        photos = msgspec.msgpack.decode(
            (folder / PHOTOS_FILE).read_bytes(), type=list[IndexedPhoto]
        )
        index = faiss.read_index(str(folder / INDEX_FILE))
        if not index.ntotal == len(photos) == manifest.photos or index.d != manifest.dim:
            raise GenerationError(f"generation {manifest.generation} disagrees with its manifest")
        return cls(manifest, photos, index)

    def search(self, query: FloatArray, k: int) -> list[Hit]:
        """Return the ``k`` photos most similar to ``query``, shape (dim,), best first."""
        scores, ids = self._index.search(query.reshape(1, -1), min(k, len(self.photos)))
        return [
            Hit(self.photos[row], float(score), self._index.reconstruct(int(row)))
            for row, score in zip(ids[0], scores[0], strict=True)
            if row >= 0
        ]

    def check_known(self, vectors: FloatArray, sample: int = 16) -> None:
        """Search for vectors that were put in, shape (n, dim), and insist that each finds itself.

        Raises:
            GenerationError: one does not.
        """
        rows = np.unique(np.linspace(0, len(vectors) - 1, min(sample, len(vectors)), dtype=int))
        scores, _ = self._index.search(vectors[rows], 1)
        own = np.einsum("ij,ij->i", vectors[rows], vectors[rows])
        # Two photos may share an embedding, so the score is compared and not the id.
        if not np.allclose(scores[:, 0], own, atol=1e-3):
            raise GenerationError(
                f"generation {self.manifest.generation} does not find what was put into it"
            )


def read_manifest_file(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        GenerationError: there is none, or it is not one that this version can read.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise GenerationError(f"{path.parent.name} has no manifest") from error
    except (ValueError, RecursionError) as error:
        raise GenerationError(f"the manifest of {path.parent.name} cannot be read") from error
    if manifest.format != FORMAT:
        raise GenerationError(
            f"{path.parent.name} is of format {manifest.format}; this version reads {FORMAT}"
        )
    return manifest


def flush_to_disk(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
