"""What a collection holds and which generations it keeps, without opening an index."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from retrieval.home import Home
from retrieval.index import pointers, publish
from retrieval.index.generation import (
    MANIFEST_FILE,
    Generation,
    GenerationError,
    Manifest,
    read_manifest_file,
)
from retrieval.index.structure import Structure
from retrieval.reports import CollectionStatus, KeptGeneration, VerifyReport


def status(home: Home, name: str, encoder: str) -> CollectionStatus:
    """Say what one collection holds; ``encoder`` is the digest that its index should be of."""
    folder = home.collection(name)
    building = publish.building(folder)
    kept = _kept(folder, encoder)
    try:
        manifest = pointers.read_manifest(folder, encoder)
    except GenerationError as error:
        problem = str(error)
        return CollectionStatus(name, building=building, kept=kept, problem=problem, damaged=True)
    if manifest is None:
        problem = "It has not been built yet."
        return CollectionStatus(name, building=building, kept=kept, problem=problem)
    mismatch = manifest.encoder != encoder
    return CollectionStatus(
        name=name,
        photos=manifest.photos,
        generation=manifest.generation,
        built_at=manifest.created,
        encoder=_encoder(manifest),
        bytes_on_disk=_size(folder),
        structure=describe(manifest.structure),
        building=building,
        kept=kept,
        problem="It was built by another encoder; rebuild it." if mismatch else None,
    )


def check_ready(folder: Path, encoder: str) -> None:
    """Read what serves a collection for an encoder byte by byte, if the collection has photos.

    Raises:
        GenerationError: it is not there, damaged, or another encoder's.
    """
    found = pointers.open_current(folder, encoder)
    if found is not None and found.manifest.encoder != encoder:
        raise GenerationError(f"{folder.name} has no index of that encoder yet.")


def size_of(folder: Path, encoder: str) -> int:
    """Return how many bytes an encoder's generations of a collection take."""
    return sum(
        _size(pointers.generations_folder(folder) / name)
        for name in pointers.finished(folder)
        if (about := pointers.about(folder, name)) and about.encoder == encoder
    )


def verify(home: Home, name: str) -> VerifyReport:
    """Read every generation that is kept, byte by byte."""
    folder = home.collection(name)
    ids = pointers.finished(folder)
    damaged = {}
    for generation in ids:
        try:
            Generation.open(pointers.generations_folder(folder) / generation)
        except GenerationError as error:
            damaged[generation] = str(error)
    return VerifyReport(name, len(ids), damaged)


def describe(structure: Structure) -> str:
    """Say in a few words how an index is searched, and how well that finds."""
    if not structure.probes:
        return "exact search"
    return (
        f"{structure.factory}, {structure.probes} lists a search: finds "
        f"{structure.recall_at_10:.1%} of the ten nearest (measured with {structure.queries} "
        f"{structure.measured_with})"
    )


def _kept(folder: Path, encoder: str) -> tuple[KeptGeneration, ...]:
    found = []
    with contextlib.suppress(GenerationError):
        serving = pointers.current_id(folder, encoder)
        for generation in pointers.finished(folder):
            with contextlib.suppress(GenerationError):  # damaged: nothing to go back to
                file = pointers.generations_folder(folder) / generation / MANIFEST_FILE
                about = read_manifest_file(file)
                if about.encoder != encoder and generation != serving:
                    continue  # another encoder's: nothing that this one could go back to
                found.append(
                    KeptGeneration(
                        generation,
                        about.created,
                        about.photos,
                        _encoder(about),
                        generation == serving,
                    )
                )
    return tuple(found)


def _encoder(manifest: Manifest) -> str:
    return f"{manifest.encoder_name}@{manifest.encoder[:8]}"


def _size(folder: Path) -> int:
    """Add up the files below a folder; one that a build takes away meanwhile counts for nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total
