"""Failure cases judge an encoder: the drawings go the live way again, over the same photos.

Two encoders answer each drawing now, the one that serves and the one that wants to; what was
recorded then is only the votes. The arithmetic is :mod:`retrieval.evaluation.acceptance`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from retrieval import drawings, failure_set, images, index, photos, ranking, sketches
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder
from retrieval.evaluation import intervals
from retrieval.evaluation.acceptance import JudgedCase, accept
from retrieval.evaluation.findings import Change, Findings
from retrieval.failure_set import Case, FailureSet, FailureSetError
from retrieval.home import Home
from retrieval.index import Stock
from retrieval.library import UnknownCollectionError

# Likeness at and above which two photos count as showing the same: measured by `bench acceptance`
# on sketchy-mini, where 92 % of such pairs are of one category (lite-modern-1).
ALIKE: Final = 0.65
_BATCH: Final = 16

Progress = Callable[[str, int, int], None]


class GalleryMissingError(FailureSetError):
    """The photos that the cases were answered from are not on this machine."""


def evaluate_failures(
    home: Home,
    failures: FailureSet,
    candidate: Encoder,
    incumbent: Encoder,
    report: Progress,
    *,
    only_the_file: bool = False,
    seed: int = 0,
) -> Findings:
    """Answer every case with both encoders over its own gallery, and compare.

    Args:
        home: where the galleries are; embeddings that are not known yet are kept there.
        failures: the cases.
        candidate, incumbent: the encoder that is judged, and the one that serves.
        report: told the stage, how much of it is done, and of how much.
        only_the_file: search the photos in the file alone; for where the galleries are not.
        seed: decides what the bootstrap draws.

    Raises:
        GalleryMissingError: a gallery is not in this home.
        FailureSetError: no case can be used, or the file is damaged.
    """
    asked, unreadable = _drawings(failures)
    sides: list[Side] = []
    for encoder in (incumbent, candidate):
        if sides and encoder.digest == incumbent.digest:
            sides.append(sides[0])
            continue
        stocks = (
            {"": _stock_of_file(failures, encoder, report)}
            if only_the_file
            else _stocks(home, failures, encoder, report)
        )
        vectors = _sketches([sketch for _, sketch in asked], encoder, report)
        sides.append(Side(encoder, stocks, vectors))
    answered = [
        answer(case, number, sides[0], sides[1], only_the_file)
        for number, (case, _) in enumerate(asked)
    ]
    if not answered:
        raise FailureSetError("No case in this file has a drawing and a gallery.")
    files = {key: file for stock in sides[0].stocks.values() for key, file in stock.files.items()}
    fixed = [change for one in answered for change in one.fixed]
    broken = [change for one in answered for change in one.broken]
    return Findings(
        encoder=candidate.label,
        incumbent=incumbent.label,
        cases=len(failures.cases),
        unreadable=tuple(unreadable),
        gone=sum(one.gone for one in answered),
        failures=sum(one.failures for one in answered),
        goods=sum(one.goods for one in answered),
        fixed=tuple(fixed),
        broken=tuple(broken),
        fixed_interval=intervals.share(
            [len(one.fixed) for one in answered], [one.failures for one in answered], seed=seed
        ),
        broken_interval=intervals.share(
            [len(one.broken) for one in answered], [one.goods for one in answered], seed=seed
        ),
        acceptance=accept([one.judged for one in answered], seed),
        photo=_photos(failures, files),
        drawing=lambda case: drawings.flattened(images.decode(failures.drawing(case))),
    )


@dataclass(slots=True)
class Side:
    """An encoder with its embeddings of the galleries and of the drawings (cases, dim)."""

    encoder: Encoder
    stocks: Mapping[str, Stock]
    vectors: FloatArray

    def gallery(self, names: Sequence[str]) -> tuple[list[str], FloatArray]:
        """Return the ids and embeddings of some collections; a photo of two is there once."""
        if len(names) == 1:
            return self.stocks[names[0]].ids, self.stocks[names[0]].vectors
        rows: dict[str, FloatArray] = {}
        for name in names:
            for photo_id, vector in zip(
                self.stocks[name].ids, self.stocks[name].vectors, strict=True
            ):
                rows.setdefault(photo_id, vector)
        return list(rows), np.stack(list(rows.values()))


@dataclass(frozen=True, slots=True)
class Answered:
    """One case answered by both encoders."""

    judged: JudgedCase
    fixed: list[Change]
    broken: list[Change]
    failures: int
    goods: int
    gone: int


def answer(case: Case, number: int, old: Side, new: Side, only_the_file: bool = False) -> Answered:
    """Answer one case, the drawing of that number, with both encoders, and compare."""
    names = [""] if only_the_file else list(case.galleries)
    ids, vectors = old.gallery(names)
    place = {photo_id: row for row, photo_id in enumerate(ids)}
    new_ids, new_vectors = new.gallery(names)
    if new_ids != ids:  # a photo that came or went in this moment
        order = {photo_id: row for row, photo_id in enumerate(new_ids)}
        place = {photo_id: row for photo_id, row in place.items() if photo_id in order}
    else:
        order = place
    k = max(1, len(case.photos))
    shown_before, old_scores = shown_for(old, number, ids, vectors, k)
    shown, new_scores = shown_for(new, number, new_ids, new_vectors, k)
    told = {photo.photo_id: photo.verdict for photo in case.photos}
    here = {key: verdict for key, verdict in told.items() if key in place and key in order}
    matter = [key for key in dict.fromkeys((*here, *shown_before, *shown)) if key in place]
    at = {key: row for row, key in enumerate(matter)}
    rows = vectors[[place[key] for key in matter], old.encoder.compared]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    alike = rows @ rows.T
    now = [at[key] for key in shown if key in at]

    def remains(key: str) -> bool:
        return bool(now) and float(alike[at[key], now].max()) >= ALIKE

    failed = [key for key, verdict in here.items() if verdict == "failure"]
    good = [key for key, verdict in here.items() if verdict == "good"]
    return Answered(
        JudgedCase(
            votes={at[key]: key in good for key in (*failed, *good)},
            shown_before=[at[key] for key in shown_before if key in at],
            shown=now,
            old=old_scores[[place[key] for key in matter]],
            new=new_scores[[order[key] for key in matter]],
            alike=alike,
        ),
        [Change(case, key, tuple(shown)) for key in failed if not remains(key)],
        [Change(case, key, tuple(shown)) for key in good if not remains(key)],
        len(failed),
        len(good),
        sum(told[key] != "undecided" and key not in here for key in told),
    )


def shown_for(
    side: Side, number: int, ids: list[str], vectors: FloatArray, k: int
) -> tuple[list[str], FloatArray]:
    """Return what is shown for a drawing, and every photo's score in standard deviations."""

    def nearest(query: FloatArray, count: int) -> ranking.Neighbours[str]:
        rows = np.argsort(-(vectors @ query), kind="stable")[:count]
        return ranking.Neighbours([ids[row] for row in rows], vectors[rows[: ranking.POOL]])

    query = side.vectors[number]
    scores = vectors @ query
    shown = ranking.order(query, nearest, k, side.encoder.compared)
    return shown, (scores - scores.mean()) / max(float(scores.std()), 1e-9)


def _stocks(
    home: Home, failures: FailureSet, encoder: Encoder, report: Progress
) -> dict[str, Stock]:
    called = dict.fromkeys(name for case in failures.cases for name in case.galleries)
    here = {name: failure_set.resolve(home, name) for name in called}
    if missing := [name for name, collection in here.items() if collection is None]:
        raise GalleryMissingError(
            f"Photos of these cases are not in {home.root}: {', '.join(missing)}. Evaluate where "
            "the bot runs, or search only the photos within the file with --photos-of-file, which "
            "is easier than what members had."
        )
    stocks = {}
    for name, collection in here.items():
        try:
            stocks[name] = index.embed(
                home,
                str(collection),
                encoder,
                lambda p: report(f"{p.stage} photos", p.done, p.total),
            )
        except UnknownCollectionError as error:
            raise GalleryMissingError(str(error)) from error
        if not stocks[name].ids:
            raise GalleryMissingError(f"The collection {collection} has no photo any more.")
    return stocks


def _stock_of_file(failures: FailureSet, encoder: Encoder, report: Progress) -> Stock:
    every = {photo.photo_id: photo for case in failures.cases for photo in case.photos}
    prepared: list[tuple[str, Any]] = []
    for photo in every.values():
        data = failures.photo(photo)
        if data:
            try:
                image = images.flatten(images.decode(data))
            except images.ImageError:
                continue
            prepared.append((photo.photo_id, encoder.prepare_photo(image)))
    if not prepared:
        raise FailureSetError("There is no photo in this file.")
    vectors = []
    for start in range(0, len(prepared), _BATCH):
        some = prepared[start : start + _BATCH]
        vectors.append(encoder.embed_photos([item for _, item in some]))
        report("encoding photos", start + len(some), len(prepared))
    return Stock([key for key, _ in prepared], np.concatenate(vectors), {})


def _drawings(
    failures: FailureSet,
) -> tuple[list[tuple[Case, sketches.CanonicalSketch]], list[str]]:
    """Decode every drawing as an upload is; those that cannot be are named."""

    def read(case: Case) -> tuple[Case, sketches.CanonicalSketch | None]:
        try:
            return case, drawings.decode(failures.drawing(case)).sketch
        except (images.ImageError, sketches.BlankDrawingError):
            return case, None

    found, unreadable = [], []
    for case, sketch in map(read, failures.cases):
        if sketch is None or not case.galleries:
            unreadable.append(case.case)
        else:
            found.append((case, sketch))
    return found, unreadable


def _sketches(
    asked: Sequence[sketches.CanonicalSketch], encoder: Encoder, report: Progress
) -> FloatArray:
    rows = [np.zeros((0, encoder.dim), np.float32)]
    for start in range(0, len(asked), _BATCH):
        some = [encoder.prepare_sketch(sketch) for sketch in asked[start : start + _BATCH]]
        rows.append(encoder.embed_sketches(some))
        report("drawings", start + len(some), len(asked))
    return np.concatenate(rows)


def _photos(failures: FailureSet, files: Mapping[str, Path]) -> Callable[[str], Image.Image]:
    inside = {photo.photo_id: photo for case in failures.cases for photo in case.photos}

    def photo(photo_id: str) -> Image.Image:
        """Return a photo of the gallery or the file; a grey one where it is gone."""
        try:
            if photo_id in files:
                return photos.read(files[photo_id])
            if photo_id in inside and (data := failures.photo(inside[photo_id])):
                return images.decode(data)
        except (OSError, images.ImageError):
            pass
        return Image.new("RGB", (320, 320), "#dddddd")

    return photo
