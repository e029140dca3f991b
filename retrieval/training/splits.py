"""Which pictures a run trains on and which it is measured on, and the file of that choice.

Names only: reads no picture, and measures nothing. Held out is always a whole instance, a photo and
all its drawings, because drawings of one photo resemble each other.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from retrieval.training.data import DataSet, Instance, Picture, category_name, letters, listing

FORMAT: Final = 1
UNSEEN_CATEGORIES: Final = 21  # of Sketchy's 125, as in published zero-shot splits
HELD_SHARE: Final = 0.25


class SplitError(ValueError):
    """A split that cannot be made, read or used; the message says what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """A data set in three parts; every picture is in exactly one.

    `unseen` holds the pictures of categories that training never saw: drawings to ask with, and the
    photos of the same categories as the gallery. `held` holds new drawings of seen categories, and
    as the gallery the held photos alone: it has the photo of every drawing that shows one.
    """

    train: DataSet
    unseen: DataSet
    held: DataSet


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept from training: categories, and instances of the other categories.

    `held` names photos by category; it covers all their drawings. `held_sketches` names, by
    category, the files of single drawings whose photo is not in the data.
    """

    seed: int
    data_set: str  # the data set's digest
    categories: tuple[str, ...]  # all of them, sorted
    unseen: tuple[str, ...]
    held: dict[str, tuple[str, ...]]
    held_sketches: dict[str, tuple[str, ...]]
    format: int = FORMAT

    @property
    def digest(self) -> str:
        """The SHA-256 of the content as canonical JSON: sorted keys, no spaces, ASCII."""
        content = json.dumps(msgspec.to_builtins(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the split, its digest included, as JSON for people to read."""
        content = msgspec.to_builtins(self) | {"digest": self.digest}
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.part")
        temporary.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        temporary.replace(path)

    def check(self, data: DataSet, *, other_data: bool = False) -> None:
        """Make sure that the split was made for this data.

        With `other_data` the files may differ, and new instances are trained on; new categories
        never may, since one of them may be an unseen one by another name. Raises SplitError.
        """
        known = set(self.categories)
        if unknown := [name for name in data.categories if name not in known]:
            raise SplitError(
                f"The split does not know these categories of the data: {listing(unknown)}. Make a "
                f"new split, which says for each whether training may see it."
            )
        if other_data:
            return
        found = data.digest()
        if found != self.data_set:
            raise SplitError(
                f"The split was made for other data (SHA-256 {self.data_set[:12]}…, this is "
                f"{found[:12]}…). Train on the data it was made for, make a new split, or say that "
                f"other data is meant: what the split does not name is then trained on."
            )

    def parts(self, data: DataSet, *, other_data: bool = False) -> Parts:
        """Divide the data that the split was made for. Raises SplitError as `check` does."""
        self.check(data, other_data=other_data)
        unseen = set(self.unseen)
        held = {(name, photo) for name, photos in self.held.items() for photo in photos}
        single = {(name, file) for name, files in self.held_sketches.items() for file in files}

        def is_unseen(picture: Picture) -> bool:
            return picture.category in unseen

        def is_held(picture: Picture) -> bool:
            if picture.instance is None:
                return (picture.category, picture.path.name) in single
            return picture.instance in held

        return Parts(
            data.where(lambda picture: not is_unseen(picture) and not is_held(picture)),
            data.where(is_unseen),
            data.where(lambda picture: not is_unseen(picture) and is_held(picture)),
        )


def load(path: Path) -> Split:
    """Read a split's file. Raises SplitError when it is none, or was changed since it was saved."""
    try:
        content = json.loads(path.read_bytes())
        stored, written = content.pop("digest"), content["format"]
    except OSError as error:
        raise SplitError(f"Cannot read the split {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SplitError(f"{path} is not a split of Magic Pencil.") from error
    if written != FORMAT:
        raise SplitError(
            f"{path} is a split in format {written}, this version reads {FORMAT}. Make a new one."
        )
    try:
        split = msgspec.convert(content, Split)
    except msgspec.ValidationError as error:
        raise SplitError(f"{path} is not a split of Magic Pencil: {error}.") from error
    if stored != split.digest:
        raise SplitError(
            f"{path} was changed after it was made. Figures on it would not compare with earlier "
            f"ones: restore it, or make a new split."
        )
    return split


def make_split(
    data: DataSet,
    seed: int,
    unseen_categories: int = UNSEEN_CATEGORIES,
    held_share: float = HELD_SHARE,
    *,
    unseen: Iterable[str] | None = None,
    official: bool = False,
) -> Split:
    """Choose what training must not see; the same for one seed and data, in whatever order.

    Args:
        data: all there is to train on and to measure on.
        seed: decides every random choice.
        unseen_categories: how many categories to keep from training, among those that have drawings
            and photos; 0 for none.
        held_share: share of the instances of the other categories to hold out, at least 0 and below
            1: each category's photos that have drawings, those that have none, and its drawings
            without a photo of their own are chosen from apart, at least one of two or more.
        unseen: these categories, instead of a random choice.
        official: hold the photos of the data set's official test list, instead of a random choice.

    Raises:
        SplitError: no such choice can be made.
    """
    if not 0 <= held_share < 1:
        raise SplitError(f"The share to hold out must be at least 0 and below 1, not {held_share}.")
    if unseen is None:
        chosen = _random_categories(data, seed, unseen_categories)
    else:
        chosen = _named_categories(data, unseen)
    seen = data.where(lambda picture: picture.category not in chosen)
    held, single = _official(seen) if official else _random_instances(seen, seed, held_share)
    return Split(
        seed=seed,
        data_set=data.digest(),
        categories=tuple(data.categories),
        unseen=tuple(sorted(chosen)),
        held=_by_category(held),
        held_sketches=_by_category(single),
    )


def _random_categories(data: DataSet, seed: int, count: int) -> set[str]:
    """Choose categories to measure on, which need drawings and photos, and leave one at least."""
    lonely = {*data.without_photos, *data.without_sketches}
    complete = [name for name in data.categories if name not in lonely]
    if not 0 <= count < max(len(complete), 1):
        raise SplitError(
            f"{count} unseen categories cannot be chosen: {len(complete)} have drawings and "
            f"photos, and training needs one of them. Choose fewer, or 0."
        )
    return set(random.Random(f"{seed} categories").sample(complete, count))  # noqa: S311


def _named_categories(data: DataSet, unseen: Iterable[str]) -> set[str]:
    known = {letters(name): name for name in data.categories}
    chosen = set()
    for name in unseen:
        if letters(name) not in known:
            close = difflib.get_close_matches(category_name(name), data.categories)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise SplitError(f"The data has no category {name!r}.{hint}")
        chosen.add(known[letters(name)])
    if len(chosen) == len(known):
        raise SplitError("All categories were named as unseen: nothing is left to train on.")
    return chosen


def _official(seen: DataSet) -> tuple[set[Instance], set[Instance]]:
    """Hold the official test list's photos and nothing else."""
    held = seen.official_test.intersection(photo.instance for photo in seen.photos)
    if not held:
        raise SplitError(
            "The data has no photo of an official test list. Read the full Sketchy Database with "
            "its info folder, or hold out a random share."
        )
    return set(held), set()


def _random_instances(
    seen: DataSet, seed: int, share: float
) -> tuple[set[Instance], set[Instance]]:
    """Choose photos, and drawings (by file name) whose photo is not in the data."""
    drawn = {sketch.instance for sketch in seen.sketches}
    groups: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for photo in seen.photos:
        if photo.photo is not None:
            kind = "drawn" if photo.instance in drawn else "undrawn"
            groups[photo.category][kind].add(photo.photo)
    for sketch in seen.sketches:
        if sketch.photo is None:
            groups[sketch.category]["single"].add(sketch.path.name)

    held: set[Instance] = set()
    single: set[Instance] = set()
    for name in {*groups} - {*seen.without_photos, *seen.without_sketches}:
        kinds = {
            kind: _sample(names, share, f"{seed} {kind} {name}")
            for kind, names in groups[name].items()
        }
        photos = {(name, photo) for kind in ("drawn", "undrawn") for photo in kinds.get(kind, ())}
        held |= photos
        if photos:  # or the drawings would ask a gallery that has no answer
            single |= {(name, file) for file in kinds.get("single", ())}
    return held, single


def _sample(names: set[str], share: float, key: str) -> list[str]:
    """Choose a share of names, but one at least and never all; none of a single one."""
    if not share or len(names) < 2:
        return []
    count = min(max(round(share * len(names)), 1), len(names) - 1)
    return random.Random(key).sample(sorted(names), count)  # noqa: S311


def _by_category(instances: Iterable[Instance]) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = defaultdict(list)
    for category, name in sorted(instances):
        names[category].append(name)
    return {category: tuple(listed) for category, listed in names.items()}
