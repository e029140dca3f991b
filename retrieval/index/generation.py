"""One generation of an index: written once, verified when opened, then only read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import faiss
import msgspec
import numpy as np

from retrieval import steps
from retrieval.disk import flush, write_whole
from retrieval.embeddings import FloatArray
from retrieval.index.records import (
    OFFSETS_FILE,
    RECORDS_FILE,
    IndexedPhoto,
    Records,
    write_records,
)
from retrieval.index.structure import Structure
from retrieval.photos import sha256

INDEX_FILE = "index.faiss"
MANIFEST_FILE = "manifest.json"
FORMAT = 2
_BY_SLOT = 2  # faiss's DirectMap::Hashtable


class GenerationError(RuntimeError):
    """A generation on disk is damaged or not ours to read; building again mends it."""


class EncoderMismatchError(GenerationError):
    """The generation was built by another encoder: its vectors mean something else."""


class Manifest(msgspec.Struct, frozen=True):
    """What a generation is, the SHA-256 of each of its files, and that of all this itself."""

    generation: str
    collection: str
    created: float  # seconds since the Unix epoch
    photos: int
    dim: int
    structure: Structure
    encoder: str  # the checkpoint's digest
    encoder_name: str
    preprocessing: str
    unreadable: int
    files: dict[str, str]
    format: int = FORMAT
    digest: str = ""

    def signed(self) -> Manifest:
        """Return the same with its own digest."""
        plain = msgspec.structs.replace(self, digest="")
        return msgspec.structs.replace(
            self, digest=hashlib.sha256(msgspec.json.encode(plain)).hexdigest()
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo found, with its cosine similarity to the query and its embedding (dim,)."""

    photo: IndexedPhoto
    score: float
    vector: FloatArray


def write_generation(
    folder: Path, manifest: Manifest, photos: Iterable[IndexedPhoto | bytes | None], index: Any
) -> None:
    """Write a generation's files into an empty folder and flush them to the disk.

    Args:
        folder: an existing folder that nobody reads yet.
        manifest: everything but ``files``, which is filled in here.
        photos: what stands in each slot, see :func:`retrieval.index.records.write_records`.
        index: the faiss index of their embeddings, whose ids are the slots.
    """
    faiss.write_index(index, str(folder / INDEX_FILE))
    steps.reach("index written")
    write_records(folder, photos)
    steps.reach("records written")
    names = (INDEX_FILE, RECORDS_FILE, OFFSETS_FILE)
    manifest = msgspec.structs.replace(
        manifest, files={name: sha256(folder / name) for name in names}
    )
    for name in names:
        flush(folder / name)
    steps.reach("generation flushed")
    told = msgspec.json.encode(manifest.signed())
    write_whole(folder / MANIFEST_FILE, msgspec.json.format(told))
    steps.reach("manifest written")


class Generation:
    """An opened generation. Immutable, so any number of threads may search it."""

    def __init__(self, folder: Path, manifest: Manifest, photos: Records, index: Any) -> None:
        """Hold what :meth:`open` read."""
        self.folder = folder
        self.manifest = manifest
        self.photos = photos
        self._index = index
        self._parameters = manifest.structure.parameters()

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
        try:
            photos = Records.open(folder)
            index = read_index(folder)
            if manifest.structure.probes:
                # So that an embedding can be read back by its slot.
                lists: Any = faiss.extract_index_ivf(index)
                lists.set_direct_map_type(_BY_SLOT)
        except (OSError, ValueError, RuntimeError) as error:
            raise GenerationError(
                f"generation {manifest.generation} cannot be read; rebuild the index"
            ) from error
        if not index.ntotal == len(photos) == manifest.photos or index.d != manifest.dim:
            raise GenerationError(f"generation {manifest.generation} disagrees with its manifest")
        return cls(folder, manifest, photos, index)

    def search(self, query: FloatArray, k: int) -> list[Hit]:
        """Return the ``k`` photos most similar to ``query``, shape (dim,), best first."""
        scores, ids = self._index.search(
            query.reshape(1, -1), min(k, self.manifest.photos), params=self._parameters
        )
        return [
            Hit(self.photos[row], float(score), self._index.reconstruct(int(row)))
            for row, score in zip(ids[0], scores[0], strict=True)
            if row >= 0
        ]

    def check_known(self, vectors: FloatArray) -> None:
        """Search for vectors that were put in, shape (n, dim), and insist that each finds itself.

        Raises:
            GenerationError: one does not.
        """
        scores, _ = self._index.search(vectors, 1, params=self._parameters)
        own = np.einsum("ij,ij->i", vectors, vectors)
        # Two photos may share an embedding, so the score is compared and not the id; half
        # precision is good to three digits.
        if not np.allclose(scores[:, 0], own, atol=5e-3):
            raise GenerationError(
                f"generation {self.manifest.generation} does not find what was put into it"
            )


def read_index(folder: Path) -> Any:
    """Read a generation's faiss index, a copy of the caller's own to change."""
    return faiss.read_index(str(folder / INDEX_FILE))


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
    if manifest.signed() != manifest:
        raise GenerationError(f"the manifest of {path.parent.name} is not what was written")
    return manifest
