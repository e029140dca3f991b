"""From photos to something that can be searched: build, generation, publish, search.

A *generation* is a folder that never changes once it is published: the FAISS index, what is known
of each photo in it, and a manifest with counts, the encoder's digest and the SHA-256 of every file.
``CURRENT`` names the one that serves. Nothing here knows how an embedding is made.
"""

from retrieval.index.build import BuildError, BuildRunningError, Embedder, NoPhotosError, build
from retrieval.index.generation import (
    EncoderMismatchError,
    Generation,
    GenerationError,
    Hit,
    IndexedPhoto,
    Manifest,
)
from retrieval.index.publish import current_id, discard_unfinished, open_current, read_manifest
from retrieval.index.status import status

__all__ = [
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
    "build",
    "current_id",
    "discard_unfinished",
    "open_current",
    "read_manifest",
    "status",
]
