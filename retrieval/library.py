"""Photo collections on disk: which files are in one, and what is known about each.

A collection is a name and the folder that its photos come from; the files themselves stay where
they are. What is known about a photo (title, credit, licence) stands in a JSON file beside it,
``cat.json`` for ``cat.jpg``; without one the title is made from the file's name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from retrieval.home import Home

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
MAX_TITLE = 200
_SIDECAR_LIMIT = 64 * 1024


class UnknownCollectionError(LookupError):
    """There is no collection of that name."""


class Collection(msgspec.Struct, frozen=True):
    """A collection's own record, ``collection.json`` in its folder."""

    name: str
    source: str  # the folder that the photos are read from
    by: Literal["host", "demo"] = "host"  # who chose that folder; a demo replaces only its own


class Sidecar(msgspec.Struct, frozen=True):
    """What a JSON file beside a photo may say; other keys are left alone."""

    title: str = ""
    credit: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """One picture in a collection's folder; ``name`` is its path inside it, with ``/``."""

    name: str
    path: Path


def register(
    home: Home, name: str, source: Path, by: Literal["host", "demo"] = "host"
) -> Collection:
    """Make the collection ``name`` read its photos from ``source``, and return it."""
    folder = home.collection(name)
    folder.mkdir(parents=True, exist_ok=True)
    collection = Collection(name, str(source.resolve()), by)
    temporary = folder / "collection.json.part"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(collection)))
    temporary.replace(folder / "collection.json")
    return collection


def find(home: Home, name: str) -> Collection:
    """Return the collection ``name``.

    Raises:
        UnknownCollectionError: nobody registered it.
    """
    record = home.collection(name) / "collection.json"
    try:
        return msgspec.json.decode(record.read_bytes(), type=Collection)
    except (FileNotFoundError, ValueError):  # no record, or one that cannot be read
        raise UnknownCollectionError(
            f"There is no collection {name!r} yet. Make one with "
            f"`magic-pencil index build PHOTOS_DIR --collection {name}`."
        ) from None


def names(home: Home) -> list[str]:
    """Return the names of all collections, sorted."""
    return sorted(path.parent.name for path in home.collections.glob("*/collection.json"))


def scan(source: Path, unreadable: Callable[[OSError], None] | None = None) -> Iterator[PhotoFile]:
    """Yield the pictures below ``source`` in the order of their names.

    Hidden files and folders, symbolic links and anything that is no regular file are passed over:
    a link could lead out of the folder or round in a circle. ``unreadable`` is told of each folder
    that could not be looked into.
    """
    for folder, subfolders, files in os.walk(source, onerror=unreadable):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder) / name
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_symlink() or not path.is_file():
                continue
            yield PhotoFile(path.relative_to(source).as_posix(), path)


def describe(photo: PhotoFile) -> Sidecar:
    """Return what is known about a photo; a title is always there."""
    sidecar = Sidecar()
    beside = photo.path.with_suffix(".json")
    try:
        if beside.is_file() and beside.stat().st_size <= _SIDECAR_LIMIT:
            sidecar = msgspec.json.decode(beside.read_bytes(), type=Sidecar)
    except (OSError, ValueError, RecursionError):
        pass  # a broken description is no reason to lose the photo
    title = _printable(sidecar.title) or title_from_name(photo.path.stem)
    return Sidecar(title, _printable(sidecar.credit), _printable(sidecar.licence))


def title_from_name(stem: str) -> str:
    """Make a title of a file's name: ``n02691156_great-white_shark`` is "Great white shark"."""
    # The names of ImageNet's files begin with the number of their synset.
    words = re.sub(r"^n\d{8}_(?=\D)", "", stem)
    words = re.sub(r"[\s_\-]+", " ", words).strip()
    return _printable(words[:1].title() + words[1:]) or "Untitled"


def _printable(text: str) -> str:
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.split())[:MAX_TITLE]
