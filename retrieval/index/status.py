"""What a collection holds and which generation serves, without opening the index."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from retrieval.home import Home
from retrieval.index.generation import GenerationError
from retrieval.index.publish import read_manifest
from retrieval.reports import CollectionStatus


def status(home: Home, name: str, encoder: str) -> CollectionStatus:
    """Say what one collection holds; ``encoder`` is the digest that its index should be of."""
    try:
        manifest = read_manifest(home.collection(name))
    except GenerationError as error:
        return CollectionStatus(name, problem=str(error))
    if manifest is None:
        return CollectionStatus(name, problem="It has not been built yet.")
    mismatch = manifest.encoder != encoder
    return CollectionStatus(
        name=name,
        photos=manifest.photos,
        generation=manifest.generation,
        built_at=manifest.created,
        encoder=f"{manifest.encoder_name}@{manifest.encoder[:8]}",
        bytes_on_disk=_size(home.collection(name)),
        problem="It was built by another encoder; rebuild it." if mismatch else None,
    )


def _size(folder: Path) -> int:
    """Add up the files below a folder; one that a build takes away meanwhile counts for nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total
