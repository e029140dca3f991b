"""Build a collection's next generation: read, encode what is new, write beside, verify, publish.

A build may be killed at any line: until the pointer is swapped the old generation serves, and what
is left half-made is cleared away by the next build.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from PIL import Image

from retrieval import images, library, likeness, photos, readahead, steps, thumbnails
from retrieval.embeddings import EmbeddingCache, FloatArray
from retrieval.home import Home
from retrieval.index import pointers, publish, retention
from retrieval.index.assemble import Assembled, can_grow, fresh, grow
from retrieval.index.generation import Generation, GenerationError, Manifest, write_generation
from retrieval.index.records import IndexedPhoto
from retrieval.library import PhotoFile
from retrieval.reports import BuildReport, NearDuplicate, Progress, Unreadable

Report = Callable[[Progress], None]
_LISTED: Final = 50  # near duplicates


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


class BuildCancelledError(publish.BuildError):
    """Somebody asked to stop it."""


class NoPhotosError(publish.BuildError):
    """There is nothing to index: no folder, or no photo in it that can be read."""


@dataclass(slots=True)
class _Found:
    """What reading a collection's folder gave: photos by SHA-256, in the order of their names."""

    files: dict[str, PhotoFile] = field(default_factory=dict)
    photos: dict[str, IndexedPhoto] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A photo read and ready for the encoder, or the reason why it is not."""

    photo_id: str
    reason: str
    prepared: Any = None
    fingerprint: bytes = b""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a build is to be done.

    Args:
        full: encode every photo again, as if none were known.
        asked: gives embeddings of drawings (n, dim) to measure an index with, if it is not exact.
        staged: another encoder serves meanwhile, so nothing of its is let go of.
    """

    full: bool = False
    staged: bool = False
    asked: Callable[[], FloatArray | None] = lambda: None


def build(
    home: Home, name: str, embedder: Embedder, report: Report, wishes: Wishes | None = None
) -> BuildReport:
    """Build and publish a collection's next generation, if anything changed.

    Args:
        home: where the data lies.
        name: a registered collection.
        embedder: the encoder; photos that it has seen before come from the cache.
        report: told how far the build is, from this thread.
        wishes: how it is to be done.

    Raises:
        BuildRunningError: another build of this collection is running.
        BuildCancelledError: somebody called :func:`retrieval.index.cancel`.
        DescriptionError: the folder's table of descriptions cannot be read.
        NoPhotosError: its folder is gone, or nothing in it can be read.
        UnknownCollectionError: nobody registered ``name``.
    """
    started = time.monotonic()
    collection = library.find(home, name)
    source = Path(collection.source)
    with publish.build_lock(home.collection(name)):
        began = time.time()
        steps.reach("build begun")
        pointers.adopt(home.collection(name))
        retention.tidy(home.collection(name))
        steps.reach("leftovers removed")
        if not source.is_dir():
            raise NoPhotosError(f"The folder of {name}, {source}, is not there.")
        with EmbeddingCache(
            home.embeddings, embedder.digest, embedder.preprocessing, embedder.dim
        ) as cache:
            work = _Build(home, name, embedder, report, wishes or Wishes(), cache, began)
            found = _find_photos(source, cache, report)
            work.encode(found, lambda: publish.cancelled(home.collection(name)))
            _describe(source, found)
            if not found.photos and collection.by != "moderators":
                bad = len(found.unreadable)
                hint = f" {bad} files could not be read." if bad else ""
                raise NoPhotosError(f"There is no photo to index in {name}.{hint}")
            done = work.publish(found)
    report(Progress("publishing", 1, 1))
    return msgspec.structs.replace(done, seconds=round(time.monotonic() - started, 3))


@dataclass(frozen=True, slots=True)
class Stock:
    """The photos of a collection's folder as they are now: ids, embeddings (n, dim), files."""

    ids: list[str]
    vectors: FloatArray
    files: dict[str, Path]


def embed(home: Home, name: str, embedder: Embedder, report: Report) -> Stock:
    """Embed the photos of a collection, as a build does, without building anything.

    What a build embeds later comes from the cache. Raises UnknownCollectionError.
    """
    source = Path(library.find(home, name).source)
    with EmbeddingCache(
        home.embeddings, embedder.digest, embedder.preprocessing, embedder.dim
    ) as cache:
        found = _find_photos(source, cache, report)
        _Build(home, name, embedder, report, Wishes(), cache, 0.0).encode(found, lambda: False)
        ids = list(found.files)
        vectors = np.zeros((len(ids), embedder.dim), np.float32)
        for row, photo_id in enumerate(ids):
            vectors[row] = cache.vector(photo_id)
    return Stock(ids, vectors, {photo_id: file.path for photo_id, file in found.files.items()})


def _find_photos(source: Path, cache: EmbeddingCache, report: Report) -> _Found:
    scan = library.scan(source)
    found = _Found(passed_over={str(kind): count for kind, count in scan.passed_over.items()})
    for error in scan.unreadable:
        folder = Path(error.filename).relative_to(source).as_posix()
        found.unreadable.append(Unreadable(f"{folder}/", error.strerror or "could not be read"))
    for done, file in enumerate(scan.files):
        if done % 50 == 0:
            report(Progress("reading", done, len(scan.files)))
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
        if photo_id in found.files:
            found.duplicates += 1
        else:
            found.files[photo_id] = file
    report(Progress("reading", len(scan.files), len(scan.files)))
    steps.reach("files listed")
    return found


@dataclass(frozen=True, slots=True)
class _Build:
    """One build on its way."""

    home: Home
    name: str
    embedder: Embedder
    report: Report
    wishes: Wishes
    cache: EmbeddingCache
    began: float

    @property
    def folder(self) -> Path:
        return self.home.collection(self.name)

    def encode(self, found: _Found, cancelled: Callable[[], bool]) -> None:
        """Fill the cache; photos that cannot be read move to ``found.unreadable``."""
        todo = [
            (photo_id, file)
            for photo_id, file in found.files.items()
            if self.wishes.full or not self.cache.has(photo_id)
        ]
        done = 0
        with readahead.readers() as pool:
            for batch in readahead.batches(self._read, todo, pool):
                good = [item for item in batch if not item.reason]
                for item in batch:
                    if item.reason:
                        name = found.files.pop(item.photo_id).name
                        found.unreadable.append(Unreadable(name, item.reason))
                if good:
                    vectors = self.embedder.embed_photos([item.prepared for item in good])
                    ids = [item.photo_id for item in good]
                    prints = [item.fingerprint for item in good]
                    self.cache.put_fingerprints(zip(ids, prints, strict=True))
                    self.cache.put(zip(ids, vectors, strict=True))
                    steps.reach("batch encoded")
                done += len(batch)
                self.report(Progress("encoding", done, len(todo)))
                if cancelled():
                    raise BuildCancelledError("The build was cancelled; the old index serves on.")

    def _read(self, item: tuple[str, PhotoFile]) -> _Prepared:
        photo_id, file = item
        try:
            image = photos.read(file.path)
            thumbnails.keep(self.home, photo_id, image)
            prepared = self.embedder.prepare_photo(image)
            return _Prepared(photo_id, "", prepared, likeness.fingerprint(image))
        except images.ImageError as error:
            return _Prepared(photo_id, str(error))
        except OSError as error:
            return _Prepared(photo_id, error.strerror or "could not be read")

    def publish(self, found: _Found) -> BuildReport:
        """Publish what was found, if it is not what serves already."""
        before = _previous(self.folder, self.embedder.digest)
        changes = _Changes.between(before, found.photos)
        usable = before if before and _is_of(before, self.embedder) else None
        if not found.photos:
            generation = ""
            pointers.withdraw(self.folder)
        elif usable and not changes.any and not self.wishes.full:
            generation = usable.manifest.generation
        else:
            self.report(Progress("publishing", 0, 1))
            made = self._assemble(found, usable, changes)
            steps.reach("index made")
            generation = self._write(found, made)
        if not self.wishes.staged:
            retention.let_go_of_erased(self.folder, self.embedder.digest, self.began)
        return BuildReport(
            collection=self.name,
            generation=generation,
            encoder=self.embedder.name,
            photos=len(found.photos),
            added=len(changes.added),
            unchanged=len(found.photos) - len(changes.added),
            edited=len(changes.edited),
            removed=len(changes.removed),
            duplicates=found.duplicates,
            near_duplicates=_near_duplicates(found, changes.added, self.cache),
            passed_over=found.passed_over,
            unreadable=tuple(sorted(found.unreadable, key=lambda item: item.photo)),
            seconds=0.0,
        )

    def _assemble(self, found: _Found, usable: Generation | None, changes: _Changes) -> Assembled:
        if usable and not self.wishes.full and can_grow(usable, len(found.photos)):
            changed = {i: found.photos[i] for i in changes.added | changes.edited}
            return grow(usable, changes.removed, changed, self.cache.vector)
        return fresh(found.photos, self.cache.vector, self.embedder.dim, self.wishes.asked())

    def _write(self, found: _Found, made: Assembled) -> str:
        """Write, verify and publish what was assembled; returns the generation's id."""
        manifest = Manifest(
            generation=publish.new_generation_id(),
            collection=self.name,
            created=self.began,  # what was erased later may still be in it
            photos=len(found.photos),
            dim=self.embedder.dim,
            structure=made.structure,
            encoder=self.embedder.digest,
            encoder_name=self.embedder.name,
            preprocessing=self.embedder.preprocessing,
            unreadable=len(found.unreadable),
            files={},
        )
        building = publish.begin(self.folder, manifest.generation)
        write_generation(building, manifest, made.slots, made.index)
        finished = publish.finish(building)
        opened = Generation.open(finished)
        if made.known is not None:
            opened.check_known(made.known)
        steps.reach("generation verified")
        publish.publish(finished)
        return manifest.generation


def _describe(source: Path, found: _Found) -> None:
    table = library.read_table(source)
    for photo_id, file in found.files.items():
        about = library.describe(file, table)
        found.photos[photo_id] = IndexedPhoto(
            photo_id, file.name, about.title, about.credit, about.licence
        )


@dataclass(frozen=True, slots=True)
class _Changes:
    """Ids of photos that are new, of which other things are known now, and that are gone."""

    added: set[str]
    edited: set[str]
    removed: set[str]

    @classmethod
    def between(cls, before: Generation | None, photos: Mapping[str, IndexedPhoto]) -> _Changes:
        added, edited, removed = set(photos), set(), set()
        for old in before.photos if before else ():
            new = photos.get(old.photo_id)
            added.discard(old.photo_id)
            if new is None:
                removed.add(old.photo_id)
            elif new != old:
                edited.add(old.photo_id)
        return cls(added, edited, removed)

    @property
    def any(self) -> bool:
        return bool(self.added or self.edited or self.removed)


def _previous(folder: Path, encoder: str) -> Generation | None:
    """Open the generation that serves; a damaged one counts as none."""
    try:
        return pointers.open_current(folder, encoder)
    except GenerationError:
        return None


def _is_of(generation: Generation, embedder: Embedder) -> bool:
    manifest = generation.manifest
    theirs = (manifest.encoder, manifest.preprocessing, manifest.dim)
    return theirs == (embedder.digest, embedder.preprocessing, embedder.dim)


def _near_duplicates(
    found: _Found, new: set[str], cache: EmbeddingCache
) -> tuple[NearDuplicate, ...]:
    known = {photo_id: cache.fingerprint(photo_id) for photo_id in found.photos}
    fingerprints = {photo_id: hash_ for photo_id, hash_ in known.items() if hash_}
    asked = {photo_id: fingerprints[photo_id] for photo_id in new & fingerprints.keys()}
    return tuple(
        NearDuplicate(one.name, other.name, one.title, other.title, bits)
        for one, other, bits in (
            (found.photos[a], found.photos[b], bits)
            for a, b, bits in likeness.near_duplicates(asked, fingerprints)[:_LISTED]
        )
    )
