"""Photos that moderators add, describe, take away and bring back.

A *kept* collection's photos lie in its own folder, each in a folder named by the photo's SHA-256:
``photo.jpg`` and, beside it, the ``photo.json`` that any photo may have. One that is taken away
moves to ``removed`` and stays there for KEPT_SECONDS. Each change is one rename: after a crash it
has happened or it has not. Photos are stored as they will be shown: upright, without metadata (a
phone writes down where it was), no larger than SIDE.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from filelock import FileLock

from retrieval import images, library, steps
from retrieval.disk import flush, write_whole
from retrieval.home import Home
from retrieval.library import PhotoFile, Sidecar

SIDE: Final = 2048  # pixels; ten times what the encoder sees, and sharp on any phone
KEPT_SECONDS: Final = 7 * 24 * 3600.0
_QUALITY: Final = 92
_PHOTO: Final = "photo.jpg"
_DESCRIPTION: Final = "photo.json"
_ID: Final = re.compile(r"[0-9a-f]{64}")


class NotKeptError(LookupError):
    """The collection's photos are not ours to change: they lie in a folder of the host's."""


class UnknownPhotoError(LookupError):
    """There is no such photo in the collection."""


class KeptPhoto(msgspec.Struct, frozen=True):
    """A photo of a collection; ``since`` (Unix time) it is there, or has been taken away."""

    photo_id: str
    path: Path
    title: str
    credit: str
    since: float


class Curation:
    """One collection's photos, for one process at a time and any number of threads."""

    def __init__(self, home: Home, name: str) -> None:
        """Look at a collection of that name; the first photo makes it.

        Raises:
            NotKeptError: there is one, and its photos are the host's own files.
        """
        folder = home.collection(name)
        self._home = home
        self._name = name
        self._photos = folder / "photos"
        self._removed = folder / "removed"
        self._file_lock = FileLock(folder / "photos.lock")
        try:
            source = Path(library.find(home, name).source)
        except library.UnknownCollectionError:
            return
        if source != self._photos.resolve():
            raise NotKeptError(f"The photos of {name} are in a folder of the host's.")

    @property
    def _lock(self) -> FileLock:
        """The lock; whoever takes it finds the folders there."""
        self._photos.mkdir(parents=True, exist_ok=True)
        self._removed.mkdir(exist_ok=True)
        return self._file_lock

    def add(self, data: bytes, about: Sidecar) -> tuple[str, bool]:
        """Keep a photo and what is known of it; returns its id and whether it is new.

        One that was taken away is added anew. Raises ImageError for what is no photo.
        """
        stored = images.encode_jpeg(images.decode(data), SIDE, _QUALITY)
        photo_id = hashlib.sha256(stored).hexdigest()
        with self._lock:
            library.register(self._home, self._name, self._photos, by="moderators")
            if self._folder(photo_id).exists():
                return photo_id, False
            adding = self._photos / f".adding-{photo_id}"  # hidden: a build passes it over
            shutil.rmtree(adding, ignore_errors=True)
            adding.mkdir()
            write_whole(adding / _DESCRIPTION, msgspec.json.encode(about))
            write_whole(adding / _PHOTO, stored)
            steps.reach("photo written")
            _move(adding, self._folder(photo_id))
            steps.reach("photo added")
            shutil.rmtree(self._removed / photo_id, ignore_errors=True)
            return photo_id, True

    def edit(self, photo_id: str, title: str | None = None, credit: str | None = None) -> None:
        """Change what is known of a photo; None leaves it. Raises UnknownPhotoError."""
        folder = self._folder(photo_id)
        with self._lock:
            if not folder.exists():
                raise UnknownPhotoError(photo_id)
            known = library.describe(PhotoFile(photo_id, folder / _PHOTO))
            changed = Sidecar(
                known.title if title is None else title,
                known.credit if credit is None else credit,
                known.licence,
            )
            since = folder.stat().st_mtime_ns
            write_whole(folder / _DESCRIPTION, msgspec.json.encode(changed))
            os.utime(folder, ns=(since, since))  # it is no newer than it was

    def remove(self, photo_ids: Iterable[str]) -> list[str]:
        """Take photos away until they are restored or their time is over; returns which."""
        moved = []
        with self._lock:
            for photo_id in photo_ids:
                folder = self._folder(photo_id)
                if not folder.exists():
                    continue
                shutil.rmtree(self._removed / photo_id, ignore_errors=True)
                os.utime(folder)  # from now on its days are counted
                _move(folder, self._removed / photo_id)
                steps.reach("photo removed")
                moved.append(photo_id)
        return moved

    def restore(self, photo_ids: Iterable[str]) -> list[str]:
        """Bring photos back that were taken away; returns which."""
        moved = []
        with self._lock:
            for photo_id in photo_ids:
                target = self._folder(photo_id)
                if (self._removed / photo_id).exists() and not target.exists():
                    _move(self._removed / photo_id, target)
                    steps.reach("photo restored")
                    moved.append(photo_id)
        return moved

    def photos(self, words: str = "") -> list[KeptPhoto]:
        """List the photos whose title or credit holds all of the words, the newest first."""
        wanted = words.casefold().split()
        return [
            photo
            for photo in _listed(self._photos.glob("??/*"))
            if all(word in f"{photo.title} {photo.credit}".casefold() for word in wanted)
        ]

    def removed(self) -> list[KeptPhoto]:
        """List the photos that can be brought back, the last taken away first."""
        return _listed(self._removed.glob("*"))

    def expire(self, now: float | None = None) -> list[str]:
        """Delete photos whose days are over, and what a crash left; returns which photos."""
        before = (time.time() if now is None else now) - KEPT_SECONDS
        gone = []
        with self._lock:
            for folder in list(self._removed.iterdir()):
                if folder.stat().st_mtime < before:
                    shutil.rmtree(folder)
                    gone.append(folder.name)
            for leftover in self._photos.glob(".adding-*"):
                shutil.rmtree(leftover, ignore_errors=True)
        return gone

    def erase(self, photo_ids: Iterable[str]) -> list[str]:
        """Delete photos at once and for good, also those taken away before; returns which."""
        gone = []
        with self._lock:
            for photo_id in photo_ids:
                folders = (self._folder(photo_id), self._removed / photo_id)
                if any(folder.exists() for folder in folders):
                    gone.append(photo_id)
                for folder in folders:
                    shutil.rmtree(folder, ignore_errors=True)
        return gone

    def _folder(self, photo_id: str) -> Path:
        if not _ID.fullmatch(photo_id):
            raise UnknownPhotoError(photo_id)
        return self._photos / photo_id[:2] / photo_id


def _listed(folders: Iterable[Path]) -> list[KeptPhoto]:
    found = []
    for folder in folders:
        path = folder / _PHOTO
        about = library.describe(PhotoFile(folder.name, path))
        with contextlib.suppress(OSError):  # moved or deleted meanwhile
            since = folder.stat().st_mtime
            found.append(KeptPhoto(folder.name, path, about.title, about.credit, since))
    return sorted(found, key=lambda photo: (-photo.since, photo.photo_id))


def _move(folder: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    folder.rename(target)
    for changed in {folder.parent, target.parent}:
        flush(changed)


def kept_collections(home: Home) -> Iterator[str]:
    """Yield the names of collections whose photos are ours to change."""
    for name in library.names(home):
        if Path(library.find(home, name).source) == (home.collection(name) / "photos").resolve():
            yield name
