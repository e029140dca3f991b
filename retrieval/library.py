"""Photo collections on disk: which files are in one, and what is known about each.

A collection is a name and the folder that its photos come from; the files themselves stay where
they are. What is known about a photo (title, credit, licence) stands in a JSON file beside it,
``cat.json`` for ``cat.jpg``, or in a table for the whole folder, ``photos.csv``; without either the
title is made from the file's name.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from retrieval.disk import write_whole
from retrieval.home import Home

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
MAX_TITLE = 200
TABLE = "photos.csv"
_SIDECAR_LIMIT = 64 * 1024

PassedOver = Literal["hidden", "links", "descriptions", "other files", "not files"]
Owner = Literal["host", "demo", "moderators"]


class UnknownCollectionError(LookupError):
    """There is no collection of that name."""


class DescriptionError(ValueError):
    """The table of a folder's photos cannot be read; the message says what to mend."""


class Collection(msgspec.Struct, frozen=True):
    """A collection's own record, ``collection.json`` in its folder."""

    name: str
    source: str  # the folder that the photos are read from
    by: Owner = "host"  # who chose that folder; a demo replaces only its own


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


def register(home: Home, name: str, source: Path, by: Owner = "host") -> Collection:
    """Make the collection ``name`` read its photos from ``source``, and return it."""
    folder = home.collection(name)
    folder.mkdir(parents=True, exist_ok=True)
    collection = Collection(name, str(source.resolve()), by)
    record = msgspec.json.format(msgspec.json.encode(collection))
    write_whole(folder / "collection.json", record)
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


@dataclass(slots=True)
class Scan:
    """The pictures below a folder, in the order of their names, and what was passed over.

    `passed_over` counts hidden files and folders, links, files that are no pictures by their names,
    and things that are no files; `unreadable` holds an error for each folder that could not be
    looked into.
    """

    files: list[PhotoFile] = field(default_factory=list)
    passed_over: Counter[PassedOver] = field(default_factory=Counter)
    unreadable: list[OSError] = field(default_factory=list)


def scan(source: Path) -> Scan:
    """Look for pictures below ``source``.

    A symbolic link is never followed: it could lead out of the folder or round in a circle.
    """
    found = Scan()
    for at, subfolders, names in os.walk(source, onerror=found.unreadable.append):
        folder = Path(at)
        subfolders.sort()
        for name in list(subfolders):
            if kind := _hidden_or_link(folder / name):
                found.passed_over[kind] += 1
                subfolders.remove(name)
        for name in sorted(names):
            path = folder / name
            if kind := _hidden_or_link(path) or _no_picture(path):
                found.passed_over[kind] += 1
            else:
                found.files.append(PhotoFile(path.relative_to(source).as_posix(), path))
    return found


def _hidden_or_link(path: Path) -> PassedOver | None:
    return "hidden" if path.name.startswith(".") else "links" if path.is_symlink() else None


def _no_picture(path: Path) -> PassedOver | None:
    if path.suffix.lower() in SUFFIXES:
        return None if path.is_file() else "not files"
    return "descriptions" if path.suffix == ".json" or path.name == TABLE else "other files"


def read_table(source: Path) -> dict[str, Sidecar]:
    """Read ``photos.csv`` of a folder: columns file, title, credit, licence; by the file's name.

    Raises DescriptionError, with the line, if there is one that cannot be read.
    """
    path = source / TABLE
    if not path.is_file() or path.is_symlink():
        return {}
    table = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if "file" not in (rows.fieldnames or ()):
                raise DescriptionError(f"{TABLE} needs a first line with a column called file.")
            for row in rows:
                values = {key: row.get(key) or "" for key in ("title", "credit", "licence")}
                table[row["file"]] = Sidecar(**values)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DescriptionError(f"{TABLE} cannot be read as CSV in UTF-8: {error}") from error
    return table


def describe(photo: PhotoFile, table: Mapping[str, Sidecar] | None = None) -> Sidecar:
    """Return what is known about a photo; a title is always there.

    What the file beside it says counts more than the folder's table.
    """
    known = (table or {}).get(photo.name, Sidecar())
    beside = photo.path.with_suffix(".json")
    try:
        if beside.is_file() and beside.stat().st_size <= _SIDECAR_LIMIT:
            said = msgspec.json.decode(beside.read_bytes(), type=Sidecar)
            known = Sidecar(
                said.title or known.title,
                said.credit or known.credit,
                said.licence or known.licence,
            )
    except (OSError, ValueError, RecursionError):
        pass  # a broken description is no reason to lose the photo
    title = _printable(known.title) or title_from_name(photo.path.stem)
    return Sidecar(title, _printable(known.credit), _printable(known.licence))


def title_from_name(stem: str) -> str:
    """Make a title of a file's name: ``n02691156_great-white_shark`` is "Great white shark"."""
    # The names of ImageNet's files begin with the number of their synset.
    words = re.sub(r"^n\d{8}_(?=\D)", "", stem)
    words = re.sub(r"[\s_\-]+", " ", words).strip()
    return _printable(words[:1].title() + words[1:]) or "Untitled"


def _printable(text: str) -> str:
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.split())[:MAX_TITLE]
