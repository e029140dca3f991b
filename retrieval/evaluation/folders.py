"""Which drawings and photos are to be measured: folders by category, and what belongs together.

Lists files; opens none. Reads `<category>/<file>` and the Sketchy Database's download, whose plain
pictures lie in ``tx_000000000000/<category>/``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from retrieval import library

# The full download holds several squeezings of the same pictures; this one is the plain one.
_PLAIN: Final = "tx_000000000000"
_NUMBERED: Final = re.compile(r"(.+)-\d+")


class Unreadable(msgspec.Struct, frozen=True):
    """A file or folder that was left out, and why, in words for a person."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A file; ``category`` is None for a distractor, ``photo`` None for a drawing of no known one.

    A photo's ``photo`` is its own file name without the ending, a drawing's the name of the photo
    that it was drawn from; names mean something within a category only.
    """

    path: Path
    category: str | None
    photo: str | None


@dataclass(frozen=True, slots=True)
class Collection:
    """What is to be measured, in the order of categories and names.

    ``not_counted`` are the drawings of categories without a photo, by category: whatever is found
    for them, it cannot be right.
    """

    drawings: tuple[Picture, ...]
    photos: tuple[Picture, ...]
    distractors: tuple[Picture, ...]
    not_counted: dict[str, int]
    unreadable: tuple[Unreadable, ...]


def read(sketches: Path, photos: Path, distractors: Path | None = None) -> Collection:
    """List the drawings and photos in folders by category, and distractors, which need none.

    Raises:
        OSError: a folder is not there, holds no pictures, or no category has drawings and photos.
    """
    unreadable: list[Unreadable] = []
    drawn = [
        Picture(path, category, _drawn_from(path))
        for category, path in _by_category(sketches, unreadable)
    ]
    taken = [
        Picture(path, category, path.stem) for category, path in _by_category(photos, unreadable)
    ]
    known = {picture.category for picture in taken}
    if known.isdisjoint(picture.category for picture in drawn):
        raise FileNotFoundError(
            f"{sketches} and {photos} have no category in common: there are drawings of "
            f"{_some(drawn)} and photos of {_some(taken)}. Folders of one category need exactly "
            "the same name."
        )
    return Collection(
        tuple(picture for picture in drawn if picture.category in known),
        tuple(taken),
        tuple(Picture(path, None, None) for path in _of_nothing(distractors, unreadable)),
        dict(Counter(str(p.category) for p in drawn if p.category not in known)),
        tuple(unreadable),
    )


def left_out(path: Path, reason: str) -> Unreadable:
    """Say that a path was left out; what of its name is not in UTF-8 is shown as ``?``."""
    return Unreadable(str(path).encode(errors="replace").decode(), reason)


def _by_category(folder: Path, unreadable: list[Unreadable]) -> list[tuple[str, Path]]:
    """List pictures with their categories. Raises OSError if there are none."""
    folder = _plain(folder)
    found = []
    for category in _entries(folder):
        if not category.is_dir():
            continue
        if not _is_utf8(category.name):
            unreadable.append(left_out(category, "its name is not in UTF-8"))
            continue
        found += [(category.name, path) for path in _pictures(category, unreadable)]
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no pictures in folders by category: they are expected at "
            f"{folder}/CATEGORY/PICTURE or {folder}/{_PLAIN}/CATEGORY/PICTURE."
        )
    return found


def _of_nothing(folder: Path | None, unreadable: list[Unreadable]) -> list[Path]:
    """List the pictures straight in a folder and in the folders in it."""
    if folder is None:
        return []
    folder = _plain(folder)
    found = _pictures(folder, unreadable)
    for inner in _entries(folder):
        if inner.is_dir():
            found += _pictures(inner, unreadable)
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no distractors: pictures are expected in it or in folders in it."
        )
    return found


def _plain(folder: Path) -> Path:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder.")
    return folder / _PLAIN if (folder / _PLAIN).is_dir() else folder


def _pictures(folder: Path, unreadable: list[Unreadable]) -> list[Path]:
    """List the pictures straight in a folder; links are followed, for a subset may be made so."""
    try:
        entries = _entries(folder)
    except OSError as error:
        unreadable.append(left_out(folder, error.strerror or "could not be read"))
        return []
    return [path for path in entries if path.suffix.lower() in library.SUFFIXES and path.is_file()]


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _drawn_from(drawing: Path) -> str | None:
    """Return the photo's name: ``n02691156_10151-3.png`` is a drawing of ``n02691156_10151``."""
    numbered = _NUMBERED.fullmatch(drawing.stem)
    return numbered[1] if numbered else None


def _is_utf8(name: str) -> bool:
    return name == name.encode(errors="replace").decode()


def _some(pictures: Iterable[Picture]) -> str:
    names = sorted({str(picture.category) for picture in pictures})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
