"""Sketch-photo data sets on disk: which files there are and what belongs together.

Lists files; decodes nothing. Reads the Sketchy Database's layout, small or full.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Final

# The full download holds several squeezings of the same pictures; this one is the plain one.
_PLAIN: Final = "tx_000000000000"
_SUFFIXES: Final = {".png", ".jpg", ".jpeg"}


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A file, its category, and the photo it shows or was drawn from."""

    path: Path
    category: str
    photo: str


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """Drawings and photos of the same categories."""

    sketches: tuple[Picture, ...]
    photos: tuple[Picture, ...]

    @property
    def categories(self) -> list[str]:
        """Sorted names of all categories."""
        return sorted({picture.category for picture in (*self.sketches, *self.photos)})

    def only(self, categories: set[str]) -> Pairs:
        """Keep the pictures of these categories."""
        return Pairs(
            tuple(picture for picture in self.sketches if picture.category in categories),
            tuple(picture for picture in self.photos if picture.category in categories),
        )


def read_sketchy(root: Path) -> Pairs:
    """Read `root/sketch` and `root/photo`, each `<category>/<file>`.

    A drawing's file is named `<photo>-<n>`. Raises FileNotFoundError if there are no pictures.
    """
    pairs = Pairs(_pictures(root / "sketch"), _pictures(root / "photo"))
    if not pairs.sketches or not pairs.photos:
        raise FileNotFoundError(
            f"{root} holds no sketch/<category>/ and photo/<category>/ pictures"
        )
    return pairs


def read_photos(folder: Path) -> tuple[Picture, ...]:
    """Read photos that nobody drew, straight in `folder`; each is a category of its own."""
    return tuple(
        Picture(path, path.stem, path.stem)
        for path in sorted(folder.glob("*"))
        if path.suffix.lower() in _SUFFIXES
    )


def held_out_categories(categories: list[str], count: int, seed: int) -> set[str]:
    """Choose categories that training must not see."""
    return set(random.Random(seed).sample(sorted(categories), count))  # noqa: S311


def held_out_sketches(sketches: tuple[Picture, ...], share: float, seed: int) -> set[Path]:
    """Choose, in every category, a share of the photos and return all their drawings.

    Whole photos, because drawings of one photo resemble each other.
    """
    chooser = random.Random(seed)  # noqa: S311
    chosen: set[Path] = set()
    for category in sorted({sketch.category for sketch in sketches}):
        mine = [sketch for sketch in sketches if sketch.category == category]
        photos = sorted({sketch.photo for sketch in mine})
        held = set(chooser.sample(photos, max(1, round(share * len(photos)))))
        chosen |= {sketch.path for sketch in mine if sketch.photo in held}
    return chosen


def _pictures(folder: Path) -> tuple[Picture, ...]:
    folder = folder / _PLAIN if (folder / _PLAIN).is_dir() else folder
    return tuple(
        Picture(path, path.parent.name, path.stem.rsplit("-", 1)[0])
        for path in sorted(folder.glob("*/*"))
        if path.suffix.lower() in _SUFFIXES
    )
