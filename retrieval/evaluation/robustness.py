"""How much is lost where drawings arrive corrupted: the same drawings, each kind, each strength."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from PIL import Image
from rich.table import Table

from retrieval import drawings, hubness, images, photos, readahead, sketches
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder
from retrieval.evaluation import corruptions
from retrieval.evaluation.folders import Collection, Picture
from retrieval.evaluation.metrics import rank_as_shown

CLEAN: Final = "clean"
Progress = Callable[[str, int, int], None]


class KindRow(msgspec.Struct, frozen=True):
    """How drawings of one kind fared; ``by_strength`` holds hit@5. Refused ones are misses."""

    kind: str
    hit_at_1: float
    hit_at_5: float
    of_clean: float
    refused: float
    by_strength: list[float]


def robustness(
    encoder: Encoder, collection: Collection, most: int, report: Progress
) -> list[KindRow]:
    """Corrupt and search; the first row is of clean drawings. At most `most` drawings, spread."""
    taken = collection.drawings
    step = max(1, len(taken) / most)
    taken = tuple(taken[int(place * step)] for place in range(min(most, len(taken))))
    stock = (*collection.distractors, *collection.photos)
    gallery = encoder.hubness.extended_photos(np.concatenate(_photos(encoder, stock, report)))
    labels = np.array([picture.category or "" for picture in stock])
    rows = [_row(encoder, CLEAN, taken, gallery, labels, None)]
    for number, kind in enumerate(corruptions.KINDS):
        rows.append(_row(encoder, kind, taken, gallery, labels, rows[0].hit_at_5))
        report("Corruptions", number + 1, len(corruptions.KINDS))
    return rows


def table(rows: list[KindRow]) -> Table:
    """Return the rows as people read them, and their mean."""
    shown = Table(box=None, header_style="bold")
    shown.add_column("Kind")
    for name in ("hit@1", "hit@5", "of clean", "refused", "by strength (hit@5)"):
        shown.add_column(name, justify="right")
    for row in rows:
        strengths = " ".join(f"{value:.2f}" for value in row.by_strength)
        figures = (f"{row.hit_at_1:.3f}", f"{row.hit_at_5:.3f}", f"{row.of_clean:.0%}")
        shown.add_row(row.kind, *figures, f"{row.refused:.1%}", strengths)
    mean = float(np.mean([row.of_clean for row in rows[1:]]))
    shown.add_row("mean of all kinds", "", "", f"{mean:.0%}", "", "")
    return shown


def _photos(encoder: Encoder, stock: tuple[Picture, ...], report: Progress) -> list[FloatArray]:
    found: list[FloatArray] = []
    with readahead.readers() as pool:
        prepared = readahead.batches(
            lambda picture: encoder.prepare_photo(photos.read(picture.path)), stock, pool
        )
        for batch in prepared:
            found.append(encoder.embed_photos(batch))
            report("Photos", sum(map(len, found)), len(stock))
    return found


def _row(
    encoder: Encoder,
    kind: str,
    taken: tuple[Picture, ...],
    gallery: FloatArray,
    labels: np.ndarray[tuple[int], np.dtype[np.str_]],
    clean: float | None,
) -> KindRow:
    strengths = corruptions.STRENGTHS if clean is not None else (0,)
    hits = np.zeros((len(strengths), len(taken), 2))
    refused = 0

    def read(job: tuple[int, int]) -> sketches.CanonicalSketch | None:
        place, number = job
        data = taken[number].path.read_bytes()
        if clean is not None:
            image = images.flatten(images.decode(data))
            data = corruptions.corrupt(kind, image, strengths[place], number)
        try:
            return drawings.decode(data).sketch
        except sketches.NotADrawingError:
            return None

    jobs = [(place, number) for place in range(len(strengths)) for number in range(len(taken))]
    with readahead.readers() as pool:
        at = 0
        for batch in readahead.batches(read, jobs, pool):
            for (place, number), sketch in zip(jobs[at : at + len(batch)], batch, strict=True):
                if sketch is None:
                    refused += 1
                    continue
                vector = encoder.embed_sketches([encoder.prepare_sketch(sketch)])
                query = hubness.extended_queries(vector)
                first = labels[rank_as_shown(query, gallery, encoder.compared)[0, :5]]
                right = first == taken[number].category
                hits[place, number] = right[0], right.any()
            at += len(batch)
    hit_at_1, hit_at_5 = hits.mean(axis=(0, 1))
    return KindRow(
        kind,
        float(hit_at_1),
        float(hit_at_5),
        float(hit_at_5 / (clean if clean is not None else hit_at_5)),
        refused / len(jobs),
        [float(value) for value in hits[..., 1].mean(axis=1)],
    )


def picture(of: Picture) -> Image.Image:
    """Draw every kind, at its three strengths, beside the canonical sketch made of it."""
    drawing = images.flatten(images.decode(of.path.read_bytes()))
    side, names = 120, list(corruptions.KINDS)
    half = (len(names) + 1) // 2
    sheet = Image.new("RGB", (2 * 6 * side + 20, half * side), "#8899aa")
    for number, kind in enumerate(names):
        left, top = (number // half) * (6 * side + 20), number % half * side
        for place, strength in enumerate(corruptions.STRENGTHS):
            image = images.decode(corruptions.corrupt(kind, drawing, strength, number))
            shown = images.flatten(image, (120, 160, 120)).copy()
            shown.thumbnail((side, side))
            sheet.paste(shown, (left + 2 * place * side, top))
            made = sketches.canonicalise(image).subject.resize((side, side))
            sheet.paste(made, (left + (2 * place + 1) * side, top))
    return sheet
