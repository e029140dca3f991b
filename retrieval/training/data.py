"""Sketch-photo data sets on disk: which files there are and what belongs together.

Lists files; decodes nothing, and does not choose what is trained on (that is `splits`). Reads the
Sketchy Database whole or in part, folders of drawings and photos that belong together, and folders
of drawings alone (TU-Berlin, QuickDraw) or of photos alone, which a category's name joins.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

Instance = tuple[str, str]  # category and photo: one photo and all drawings of it

SUFFIXES: Final = (".jpeg", ".jpg", ".png", ".webp")
# The full download holds several renderings of the same pictures. In this one the whole photo is
# squeezed to a square, and the drawing in the same way (its README.txt); others move the object.
_PLAIN: Final = "tx_000000000000"
_RENDERING: Final = re.compile(r"tx_\d{12}")
_PAIRED_FOLDERS: Final = (("sketch", "photo"), ("sketches", "photos"))
_NESTED: Final = ("", "256x256", "rendered_256x256/256x256")  # as the full download unpacks
_INFO: Final = ("info", "info-06-04/info")
# Its reviewers' labels: an error is "completely incorrect and/or a squiggle", an ambiguous drawing
# "too poor quality to identify as the subject". Wrong pose and added context stay: those drawings
# can be identified, and people send such ones.
_INVALID: Final = ("invalid-error.txt", "invalid-ambiguous.txt")
_TEST_LIST: Final = "testset.txt"
_DRAWING: Final = re.compile(r"(.+)-\d+")
_PUNCTUATION: Final = re.compile(r"[\s_()\[\]{}‐‑–—-]+")


class DataSetError(FileNotFoundError):
    """A folder does not hold what it was read as; the message says what was looked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A file, its category, and the photo it is or was drawn from.

    `photo` is that photo's file name without suffix; None for a drawing of no photo that is here.
    """

    path: Path
    category: str
    photo: str | None

    @property
    def instance(self) -> Instance | None:
        """The photo across categories, shared by all drawings of it."""
        return None if self.photo is None else (self.category, self.photo)


@dataclasses.dataclass(frozen=True, slots=True)
class DataSet:
    """Drawings and photos; a category may have only one of them.

    `official_test` names the photos that the data set's authors keep for testing.
    """

    sketches: tuple[Picture, ...]
    photos: tuple[Picture, ...]
    official_test: frozenset[Instance] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def categories(self) -> list[str]:
        """Sorted names of all categories."""
        return sorted({picture.category for picture in (*self.sketches, *self.photos)})

    @property
    def without_photos(self) -> list[str]:
        """Sorted names of the categories that have drawings only."""
        return sorted(_categories(self.sketches) - _categories(self.photos))

    @property
    def without_sketches(self) -> list[str]:
        """Sorted names of the categories that have photos only."""
        return sorted(_categories(self.photos) - _categories(self.sketches))

    @property
    def spellings(self) -> dict[str, list[str]]:
        """The categories whose folders are spelt in several ways, with all of them, sorted."""
        folders: dict[str, set[str]] = defaultdict(set)
        for picture in (*self.sketches, *self.photos):
            folders[picture.category].add(picture.path.parent.name)
        return {name: sorted(folders[name]) for name in sorted(folders) if len(folders[name]) > 1}

    def remarks(self) -> list[str]:
        """Say what a person should know before training on this, a sentence each."""
        remarks = list(self.notes)
        for name, folders in self.spellings.items():
            remarks.append(f"The folders {listing(folders)} are one category, {name!r}.")
        if lonely := self.without_photos:
            remarks.append(f"Categories without photos ({len(lonely)}): {listing(lonely)}.")
        if lonely := self.without_sketches:
            remarks.append(f"Categories without drawings ({len(lonely)}): {listing(lonely)}.")
        return remarks

    def where(self, chosen: Callable[[Picture], bool]) -> DataSet:
        """Keep the pictures that are chosen."""
        return dataclasses.replace(
            self,
            sketches=tuple(filter(chosen, self.sketches)),
            photos=tuple(filter(chosen, self.photos)),
        )

    def digest(self) -> str:
        """Return a SHA-256 over categories, file names and sizes, wherever the files lie.

        Raises OSError when a file has gone. Asks the disk for every size: a second or two for
        300,000 files.
        """
        lines = sorted(
            f"{kind}/{picture.category}/{picture.path.name} {picture.path.stat().st_size}\n"
            for kind, pictures in (("sketch", self.sketches), ("photo", self.photos))
            for picture in pictures
        )
        return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def read(root: Path) -> DataSet:
    """Read a folder that holds drawings and photos, in whichever known layout it is.

    - `sketch/<category>/<photo>-<n>.png` and `photo/<category>/<photo>.jpg`; so are `sketches` and
      `photos`.
    - The full Sketchy Database: the same below `sketch/tx_000000000000` and
      `photo/tx_000000000000`, also inside `256x256`. With its `info` folder at hand, drawings
      listed as an error or as ambiguous are left out and the official test list is known.

    Raises DataSetError.
    """
    _check_folder(root)
    for nested in _NESTED:
        for sketches, photos in _PAIRED_FOLDERS:
            folder = root / nested
            if (folder / sketches).is_dir() and (folder / photos).is_dir():
                data = read_pairs(folder / sketches, folder / photos)
                return _with_info(data, root, whole=(folder / sketches / _PLAIN).is_dir())
    raise DataSetError(
        f"{root} is no known data set. Looked for the folders sketch and photo (or sketches and "
        f"photos), there or in {' or '.join(_NESTED[1:])}; found {_content(root)}. A folder of "
        f"drawings alone, or of photos alone, has to be named as such."
    )


def read_pairs(sketches: Path, photos: Path) -> DataSet:
    """Read `<category>/<photo>-<n>` drawings and the `<category>/<photo>` photos they were made of.

    A drawing whose name names no photo of its category has the category only. Raises DataSetError.
    """
    drawn, taken = _pictures_by_folder(sketches), _pictures_by_folder(photos)
    names = _category_names([*drawn, *taken])
    shot = tuple(
        Picture(path, names[folder], path.stem) for folder, paths in taken.items() for path in paths
    )
    known = {picture.instance for picture in shot}

    def photo_of(path: Path, category: str) -> str | None:
        named = _DRAWING.fullmatch(path.stem)
        return named[1] if named and (category, named[1]) in known else None

    made = tuple(
        Picture(path, names[folder], photo_of(path, names[folder]))
        for folder, paths in drawn.items()
        for path in paths
    )
    return DataSet(made, shot)


def read_sketch_folders(folder: Path) -> DataSet:
    """Read `<category>/<file>` drawings that were made of no photo: TU-Berlin, QuickDraw.

    Their names say nothing, `1-2.png` included; `merge` joins them to photos by category. Raises
    DataSetError.
    """
    drawn = _pictures_by_folder(folder)
    names = _category_names(drawn)
    return DataSet(
        tuple(Picture(path, names[name], None) for name, paths in drawn.items() for path in paths),
        (),
    )


def read_photo_folders(folder: Path) -> DataSet:
    """Read `<category>/<file>` photos that nobody drew. Raises DataSetError."""
    taken = _pictures_by_folder(folder)
    names = _category_names(taken)
    return DataSet(
        (),
        tuple(
            Picture(path, names[name], path.stem) for name, paths in taken.items() for path in paths
        ),
    )


def merge(sets: Sequence[DataSet]) -> DataSet:
    """Join data sets by their categories' names, in the order given; a path counts once.

    No drawing gains a photo by it. Photos of one name and category are taken for one instance, as
    they are in two copies of Sketchy. What became one category is in `spellings`.
    """
    names = _category_names([name for data in sets for name in data.categories])

    def joined(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
        once: dict[Path, Picture] = {}
        for picture in pictures:
            if once.setdefault(picture.path, picture).photo is None:
                once[picture.path] = picture  # that knows its photo, if either does
        return tuple(
            picture
            if picture.category == names[picture.category]
            else dataclasses.replace(picture, category=names[picture.category])
            for picture in once.values()
        )

    return DataSet(
        joined(sketch for data in sets for sketch in data.sketches),
        joined(photo for data in sets for photo in data.photos),
        frozenset(
            (names.get(category, category), photo)
            for data in sets
            for category, photo in data.official_test
        ),
        tuple(dict.fromkeys(note for data in sets for note in data.notes)),
    )


def category_name(folder: str) -> str:
    """Return a category's name as all data sets share it: `Hot-air_balloon`, `hot air balloon`.

    Case, and whether words are parted by spaces, hyphens, underscores or brackets, do not count.
    """
    plain = unicodedata.normalize("NFKC", folder).casefold()
    return _PUNCTUATION.sub(" ", plain).strip() or plain


def letters(category: str) -> str:
    """Return what two spellings of one category share: `hot dog` and `hotdog`."""
    return category_name(category).replace(" ", "")


def _categories(pictures: Iterable[Picture]) -> set[str]:
    return {picture.category for picture in pictures}


def _category_names(folders: Iterable[str]) -> dict[str, str]:
    """Name every folder's category; of spellings with the same letters, that of most words."""
    names = {folder: category_name(folder) for folder in folders}
    by_words = sorted(names.values(), key=lambda name: (name.count(" "), name))
    shared = {letters(name): name for name in by_words}
    return {folder: shared[letters(name)] for folder, name in names.items()}


def _pictures_by_folder(folder: Path) -> dict[str, list[Path]]:
    """List the pictures of every category folder, all sorted; empty ones are left out."""
    _check_folder(folder)
    plain = _plain_rendering(folder.resolve())  # so that a file has one path, however it is named
    folders = [plain / name for name in _names(plain, _is_folder)]
    listed = {
        category.name: paths
        for category in folders
        if not _links_back(category)
        and (paths := [category / file for file in _names(category, _is_picture)])
    }
    if not listed:
        raise DataSetError(
            f"{plain} holds no pictures. Looked for <category>/<file> with one of the suffixes "
            f"{' '.join(SUFFIXES)}; found {_content(plain)}."
        )
    return listed


def _plain_rendering(folder: Path) -> Path:
    """Step into the full Sketchy Database's plain rendering, where there are renderings."""
    renderings = [name for name in _names(folder, _is_folder) if _RENDERING.fullmatch(name)]
    if not renderings:
        return folder
    if _PLAIN not in renderings:
        raise DataSetError(
            f"{folder} holds the Sketchy Database's renderings {listing(renderings)} but not "
            f"{_PLAIN}, the plain one. Unpack that one too; the others squeeze or move the object."
        )
    return folder / _PLAIN


def _with_info(data: DataSet, root: Path, *, whole: bool) -> DataSet:
    """Leave out drawings listed as invalid and keep the test list, from the `info` folder.

    `invalid-*.txt` hold a drawing's name a line, without suffix and category; `testset.txt` holds
    `<category>/<photo>.jpg`. Without the lists, the full database says so (`whole`).
    """
    lists = {
        name: path.read_text("utf-8").splitlines()
        for name in (*_INVALID, _TEST_LIST)
        for path in [root / info / name for info in _INFO]
        if path.is_file()
    }
    if not lists:
        missing = (
            f"No {' or '.join(_INFO)} in {root}: drawings known to be wrong are not left out. "
            f"Unpack that part of the download there too, or name the folder that holds both."
        )
        return dataclasses.replace(data, notes=(missing,)) if whole else data
    invalid = {line.strip() for name in _INVALID for line in lists.get(name, ())}
    valid = tuple(sketch for sketch in data.sketches if sketch.path.stem not in invalid)
    left_out = len(data.sketches) - len(valid)
    spelt = {letters(name): name for name in data.categories}
    tested = (line.strip().rpartition("/") for line in lists.get(_TEST_LIST, ()))
    return dataclasses.replace(
        data,
        sketches=valid,
        official_test=frozenset(
            (spelt.get(letters(category), category_name(category)), Path(photo).stem)
            for category, _, photo in tested
            if photo
        ),
        notes=(f"{left_out} drawings left out: listed in {' or '.join(_INVALID)}.",),
    )


def _names(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    """Return the sorted names of a folder's wanted entries, without a stat for every file."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name for entry in entries if not entry.name.startswith(".") and wanted(entry)
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False


def _is_picture(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):
        return entry.name.lower().endswith(SUFFIXES) and entry.is_file()
    return False


def _links_back(folder: Path) -> bool:
    """Whether a folder is a link to one beside or above it: the same pictures under two names."""
    beside, real = folder.parent, folder.resolve()
    return folder.is_symlink() and (real.is_relative_to(beside) or beside.is_relative_to(real))


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DataSetError(f"{folder} is not a folder.")


def _content(folder: Path) -> str:
    """Say in words what a folder holds."""
    folders = _names(folder, _is_folder)
    files = len(_names(folder, lambda entry: not _is_folder(entry)))
    return f"the folders {listing(folders)} and {files} files" if folders else f"{files} files"


def listing(names: Sequence[str], most: int = 6) -> str:
    """Join names for a sentence, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def read_photos(folder: Path) -> tuple[Picture, ...]:
    """Read photos that nobody drew, straight in `folder`; each is a category of its own."""
    return tuple(
        Picture(path, path.stem, path.stem)
        for path in sorted(folder.glob("*"))
        if path.suffix.lower() in SUFFIXES
    )
