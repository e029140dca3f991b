"""What failure cases are judged with: their drawings, and the photos that they were answered from.

Drawings and photos go the way of members' uploads and of a build. A case whose drawing cannot be
used, or whose photos are not on this machine, is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from retrieval import drawings, failure_set, images, index, photos, sketches
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder
from retrieval.failure_set import Case, FailureSet, FailureSetError
from retrieval.home import Home
from retrieval.index import Stock
from retrieval.library import UnknownCollectionError

_BATCH: Final = 16
_WHOLE_FILE: Final = ""  # the name of all photos of a file together

Progress = Callable[[str, int, int], None]


class GalleryMissingError(FailureSetError):
    """The photos that the cases were answered from are not on this machine."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A case that can be judged: its sketch, and the collections to search."""

    case: Case
    sketch: sketches.CanonicalSketch
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asking:
    """The cases that can be judged, those that cannot, and the galleries that are not here."""

    asked: list[Asked]
    unreadable: tuple[str, ...]
    elsewhere: tuple[str, ...]


def read_cases(home: Home, failures: FailureSet, *, only_the_file: bool) -> Asking:
    """Decode every drawing as an upload is, and find its collections in this home.

    Cases that search the same collections stand together. Raises GalleryMissingError if none of
    the galleries is here.
    """
    called = dict.fromkeys(name for case in failures.cases for name in case.galleries)
    here = {name: failure_set.resolve(home, name) for name in called}
    asked, unreadable = [], []
    elsewhere = [] if only_the_file else [name for name, found in here.items() if found is None]
    for case in failures.cases:
        if not only_the_file and (not case.galleries or set(case.galleries) & set(elsewhere)):
            continue
        names = (_WHOLE_FILE,) if only_the_file else tuple(str(here[n]) for n in case.galleries)
        try:
            sketch = drawings.decode(failures.drawing(case)).sketch
        except (images.ImageError, sketches.NotADrawingError):
            unreadable.append(case.case)
        else:
            asked.append(Asked(case, sketch, names))
    if not asked and elsewhere:
        raise GalleryMissingError(
            f"Photos of these cases are not in {home.root}: {', '.join(elsewhere)}. Evaluate where "
            "the bot runs, or search only the photos within the file with --photos-of-file, which "
            "is easier than what members had."
        )
    if not asked:
        raise FailureSetError("No case in this file has a drawing that can be used.")
    asked.sort(key=lambda one: one.names)
    return Asking(asked, tuple(unreadable), tuple(elsewhere))


def stocks(
    home: Home, failures: FailureSet, asked: Sequence[Asked], encoder: Encoder, report: Progress
) -> dict[str, Stock]:
    """Embed the photos that are searched, by collection; what is known comes from the cache.

    Raises GalleryMissingError.
    """
    found = {}
    for name in dict.fromkeys(name for one in asked for name in one.names):
        if name == _WHOLE_FILE:
            found[name] = _stock_of_file(failures, encoder, report)
            continue
        try:
            found[name] = index.embed(
                home, name, encoder, lambda p: report(f"{p.stage} photos", p.done, p.total)
            )
        except UnknownCollectionError as error:
            raise GalleryMissingError(str(error)) from error
        if not found[name].ids:
            raise GalleryMissingError(f"The collection {name} has no photo any more.")
    return found


def _stock_of_file(failures: FailureSet, encoder: Encoder, report: Progress) -> Stock:
    every = {photo.photo_id: photo for case in failures.cases for photo in case.photos}
    ids: list[str] = []

    def readable() -> Iterator[Any]:
        for number, photo in enumerate(every.values()):
            report("reading photos", number + 1, len(every))
            if data := failures.photo(photo):
                try:
                    image = images.flatten(images.decode(data))
                except images.ImageError:
                    continue
                ids.append(photo.photo_id)
                yield encoder.prepare_photo(image)

    vectors = _embedded(readable(), encoder.embed_photos)
    if not ids:
        raise FailureSetError("There is no photo in this file.")
    return Stock(ids, vectors, {})


def embed_sketches(asked: Sequence[Asked], encoder: Encoder, report: Progress) -> FloatArray:
    """Embed the drawings, shape (cases, dim)."""

    def prepared() -> Iterator[Any]:
        for number, one in enumerate(asked):
            report("drawings", number + 1, len(asked))
            yield encoder.prepare_sketch(one.sketch)

    return _embedded(prepared(), encoder.embed_sketches)


def _embedded(inputs: Iterator[Any], embed: Callable[[Sequence[Any]], FloatArray]) -> FloatArray:
    """Embed what an iterator gives in batches, so that no more than one is held."""
    rows = []
    for first in inputs:
        batch = [first, *(item for _, item in zip(range(_BATCH - 1), inputs, strict=False))]
        rows.append(embed(batch))
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)


def photo_reader(failures: FailureSet, files: Mapping[str, Path]) -> Callable[[str], Image.Image]:
    """Return what reads a photo by its id, from a gallery's files or the failure set."""
    inside = {photo.photo_id: photo for case in failures.cases for photo in case.photos}

    def photo(photo_id: str) -> Image.Image:
        """Return a photo; a grey one where it is gone."""
        try:
            if photo_id in files:
                return photos.read(files[photo_id])
            if photo_id in inside and (data := failures.photo(inside[photo_id])):
                return images.decode(data)
        except (OSError, images.ImageError):
            pass
        return Image.new("RGB", (320, 320), "#dddddd")

    return photo
