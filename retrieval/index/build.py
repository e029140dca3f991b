"""Build a collection's next generation: read, encode what is new, write beside, verify, publish.

A build may be killed at any line: until ``CURRENT`` is swapped the old generation serves, and what
is left half-made is cleared away by the next build.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from retrieval import images, library, photos, readahead, thumbnails
from retrieval.embeddings import EmbeddingCache, FloatArray
from retrieval.home import Home
from retrieval.index import publish
from retrieval.index.generation import (
    FACTORY,
    Generation,
    IndexedPhoto,
    Manifest,
    write_generation,
)
from retrieval.library import PhotoFile
from retrieval.reports import BuildReport, Progress, Unreadable

Report = Callable[[Progress], None]


class Embedder(Protocol):
    """What a build needs of an encoder."""

    name: str
    digest: str
    preprocessing: str
    dim: int

    def prepare_photo(self, image: Image.Image) -> Any:
        """Return the network's input for one RGB photo; called from several threads."""

    def embed_photos(self, batch: Sequence[Any]) -> FloatArray:
        """Return the embeddings of prepared photos, shape (n, dim), L2-normalised rows."""


class BuildError(RuntimeError):
    """A build could not be done; the old generation serves on. The message is for a person."""


class BuildRunningError(BuildError):
    """This collection is being built already, here or in another process."""


class NoPhotosError(BuildError):
    """There is nothing to index: no folder, or no photo in it that can be read."""


@dataclass(slots=True)
class _Found:
    """What reading a collection's folder gave: photos by SHA-256, in the order of their names."""

    photos: dict[str, PhotoFile] = field(default_factory=dict)
    vectors: dict[str, FloatArray] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    duplicates: int = 0


def build(home: Home, name: str, embedder: Embedder, report: Report) -> BuildReport:
    """Build and publish a collection's next generation.

    Args:
        home: where the data lies.
        name: a registered collection.
        embedder: the encoder; photos that it has seen before come from the cache.
        report: told how far the build is, from this thread.

    Raises:
        BuildRunningError: another build of this collection is running.
        NoPhotosError: its folder is gone, or nothing in it can be read.
        UnknownCollectionError: nobody registered ``name``.
    """
    started = time.monotonic()
    collection = library.find(home, name)
    folder = home.collection(name)
    try:
        with FileLock(folder / "build.lock", blocking=False):
            publish.discard_unfinished(folder)
            source = Path(collection.source)
            if not source.is_dir():
                raise NoPhotosError(f"The folder of {name}, {source}, is not there.")
            with EmbeddingCache(
                home.embeddings, embedder.digest, embedder.preprocessing, embedder.dim
            ) as cache:
                found = _find_photos(source, cache, report)
                _encode(home, found, cache, embedder, report)
            return _publish(home, name, embedder, found, report, started)
    except Timeout:
        raise BuildRunningError(f"{name} is being built already.") from None


def _find_photos(source: Path, cache: EmbeddingCache, report: Report) -> _Found:
    found = _Found()

    def unreadable(error: OSError) -> None:
        folder = Path(error.filename).relative_to(source).as_posix()
        found.unreadable.append(Unreadable(f"{folder}/", error.strerror or "could not be read"))

    files = list(library.scan(source, unreadable))
    for done, file in enumerate(files):
        if done % 50 == 0:
            report(Progress("reading", done, len(files)))
        try:
            photo_id = cache.photo_id(file.path)
        except OSError as error:
            reason = error.strerror or "could not be read"
            found.unreadable.append(Unreadable(file.name, reason))
            continue
        except UnicodeEncodeError:
            shown = file.name.encode(errors="replace").decode()
            found.unreadable.append(Unreadable(shown, "its name is not in UTF-8"))
            continue
        if photo_id in found.photos:
            found.duplicates += 1
        else:
            found.photos[photo_id] = file
    report(Progress("reading", len(files), len(files)))
    return found


def _encode(
    home: Home, found: _Found, cache: EmbeddingCache, embedder: Embedder, report: Report
) -> None:
    """Fill in ``found.vectors``; photos that cannot be read move to ``found.unreadable``."""
    todo = []
    for photo_id, file in found.photos.items():
        vector = cache.get(photo_id)
        if vector is None:
            todo.append((photo_id, file))
        else:
            found.vectors[photo_id] = vector

    def read(item: tuple[str, PhotoFile]) -> tuple[str, Any, str]:
        photo_id, file = item
        try:
            image = photos.read(file.path)
            thumbnails.keep(home, photo_id, image)
            return photo_id, embedder.prepare_photo(image), ""
        except images.ImageError as error:
            return photo_id, None, str(error)
        except OSError as error:
            return photo_id, None, error.strerror or "could not be read"

    done = 0
    with readahead.readers() as pool:
        for batch in readahead.batches(read, todo, pool):
            good = [(photo_id, prepared) for photo_id, prepared, reason in batch if not reason]
            for photo_id, _, reason in batch:
                if reason:
                    found.unreadable.append(Unreadable(found.photos.pop(photo_id).name, reason))
            if good:
                vectors = embedder.embed_photos([prepared for _, prepared in good])
                new = dict(zip((photo_id for photo_id, _ in good), vectors, strict=True))
                cache.put(new.items())
                found.vectors |= new
            done += len(batch)
            report(Progress("encoding", done, len(todo)))


def _publish(
    home: Home, name: str, embedder: Embedder, found: _Found, report: Report, started: float
) -> BuildReport:
    if not found.photos:
        hint = f" {len(found.unreadable)} files could not be read." if found.unreadable else ""
        raise NoPhotosError(f"There is no photo to index in {name}.{hint}")
    report(Progress("publishing", 0, 1))
    folder = home.collection(name)
    before = _previous_ids(folder)
    generation = publish.new_generation_id()
    vectors = np.stack([found.vectors[photo_id] for photo_id in found.photos])
    manifest = Manifest(
        generation=generation,
        collection=name,
        created=time.time(),
        photos=len(found.photos),
        dim=embedder.dim,
        factory=FACTORY,
        encoder=embedder.digest,
        encoder_name=embedder.name,
        preprocessing=embedder.preprocessing,
        unreadable=len(found.unreadable),
        files={},
    )
    building = publish.begin(folder, generation)
    write_generation(building, manifest, [_indexed(i, f) for i, f in found.photos.items()], vectors)
    finished = publish.finish(building)
    Generation.open(finished).check_known(vectors)
    publish.publish(finished)
    report(Progress("publishing", 1, 1))
    return BuildReport(
        collection=name,
        generation=generation,
        encoder=embedder.name,
        photos=len(found.photos),
        added=len(found.photos.keys() - before),
        unchanged=len(found.photos.keys() & before),
        removed=len(before - found.photos.keys()),
        duplicates=found.duplicates,
        unreadable=tuple(sorted(found.unreadable, key=lambda item: item.photo)),
        seconds=round(time.monotonic() - started, 3),
    )


def _previous_ids(folder: Path) -> set[str]:
    """The photos of the generation that serves; a damaged one counts as none."""
    try:
        previous = publish.open_current(folder)
    except RuntimeError:
        return set()
    return {photo.photo_id for photo in previous.photos} if previous else set()


def _indexed(photo_id: str, file: PhotoFile) -> IndexedPhoto:
    about = library.describe(file)
    return IndexedPhoto(photo_id, file.name, about.title, about.credit, about.licence)
