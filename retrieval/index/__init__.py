"""From photos to something that can be searched: build, generation, publish, search.

A *generation* is a folder that never changes once it is published: the FAISS index, what is known
of each photo in it, and a manifest with counts, the encoder's digest and the SHA-256 of every file.
A pointer names the one that serves for an encoder. Nothing here knows how an embedding is made.
"""

from retrieval.index.build import (
    BuildCancelledError,
    Embedder,
    NoPhotosError,
    Stock,
    Wishes,
    build,
    embed,
)
from retrieval.index.generation import (
    EncoderMismatchError,
    Generation,
    GenerationError,
    Hit,
    Manifest,
)
from retrieval.index.pointers import about, current_id, finished, open_current, read_manifest
from retrieval.index.publish import BuildError, BuildRunningError, cancel, forget, roll_back
from retrieval.index.records import IndexedPhoto
from retrieval.index.retention import mark_erased
from retrieval.index.status import check_ready, size_of, status, verify

__all__ = [
    "BuildCancelledError",
    "BuildError",
    "BuildRunningError",
    "Embedder",
    "EncoderMismatchError",
    "Generation",
    "GenerationError",
    "Hit",
    "IndexedPhoto",
    "Manifest",
    "NoPhotosError",
    "Stock",
    "Wishes",
    "about",
    "build",
    "cancel",
    "check_ready",
    "current_id",
    "embed",
    "finished",
    "forget",
    "mark_erased",
    "open_current",
    "read_manifest",
    "roll_back",
    "size_of",
    "status",
    "verify",
]
