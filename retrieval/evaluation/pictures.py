"""A picture of the best and the worst drawings: each with its first photos, right and wrong framed.

Chooses, reads those few files again, and lays them out; the brush is :mod:`retrieval.canvas`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from retrieval import canvas, drawings, photos
from retrieval.evaluation.measure import Measurement
from retrieval.evaluation.metrics import TOP

ROWS: Final = 4  # of the best, and as many of the worst

# Told apart in grey too; and the category stands beneath each photo.
_RIGHT, _WRONG, _FRAME = "#2da44e", "#b3261e", 5
_CELL, _GAP, _MARGIN, _PADDING = 190, 14, 36, 12
_TITLE_SIZE, _TEXT_SIZE, _SMALL_SIZE = 26, 17, 14
_CAPTION = 70  # three lines beneath each picture
_ASIDE = 40  # between a drawing and its photos
_ROW_HEIGHT = _CELL + _CAPTION + 2 * _PADDING
_WIDTH = 2 * (_MARGIN + _PADDING) + (TOP + 1) * _CELL + (TOP - 1) * _GAP + _ASIDE
_HEADING = _TITLE_SIZE + 22


def choose(measurement: Measurement) -> tuple[list[int], list[int]]:
    """Choose rows of the measurement's drawings: the best and the worst by average precision.

    At most ROWS of each, at most one a category of each, none twice; of equals the first by name.
    """
    precision = measurement.scores.values["map"]
    best = _one_a_category(measurement, np.argsort(-precision, kind="stable").tolist())
    rest = [row for row in np.argsort(precision, kind="stable").tolist() if row not in best]
    return best, _one_a_category(measurement, rest)


def render(measurement: Measurement) -> Image.Image:
    """Draw the chosen drawings, a row each with its first photos; returns an RGB image.

    Raises:
        OSError, ImageError, NotADrawingError: a file has changed since it was measured.
    """
    parts = [
        (title, rows)
        for title, rows in zip(("Best", "Worst"), choose(measurement), strict=True)
        if rows
    ]
    count = sum(len(rows) for _, rows in parts)
    height = _MARGIN + len(parts) * (_HEADING + _MARGIN - _GAP) + count * (_ROW_HEIGHT + _GAP)
    sheet = Image.new("RGB", (_WIDTH, height), canvas.BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    y = _MARGIN
    for title, rows in parts:
        heading = f"{title} by average precision ({measurement.encoder})"
        canvas.text(
            draw, (_MARGIN, y - 6), heading, _TITLE_SIZE, colour=canvas.INK, width=_WIDTH - _MARGIN
        )
        y += _HEADING
        for row in rows:
            _row(sheet, draw, y, measurement, row)
            y += _ROW_HEIGHT + _GAP
        y += _MARGIN - _GAP
    return sheet


def _one_a_category(measurement: Measurement, ranked: Iterable[int]) -> list[int]:
    chosen: dict[str | None, int] = {}
    for row in ranked:
        chosen.setdefault(measurement.drawings[row].category, row)
    return list(chosen.values())[:ROWS]


def _row(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, y: int, measurement: Measurement, row: int
) -> None:
    """Draw one drawing and its first photos."""
    scores, drawing = measurement.scores, measurement.drawings[row]
    canvas.panel(draw, (_MARGIN, y), (_WIDTH - 2 * _MARGIN, _ROW_HEIGHT))
    x, y = _MARGIN + _PADDING, y + _PADDING
    canvas.fit(sheet, drawings.read(drawing.path).flattened(), (x, y), _CELL, margin=0)
    quality = f"AP {scores.values['map'][row]:.2f}, first right: {scores.first_right[row]}"
    _caption(draw, (x, y), str(drawing.category), drawing.path.name, quality)
    x += _CELL + _ASIDE
    for place in scores.top[row]:
        photo = measurement.gallery[place]
        frame = _RIGHT if photo.category == drawing.category else _WRONG
        canvas.panel(draw, (x, y), (_CELL, _CELL), outline=frame, width=_FRAME)
        canvas.fit(sheet, photos.read(photo.path), (x, y), _CELL, margin=_FRAME + 3)
        own = photo.photo == drawing.photo and photo.category == drawing.category
        note = "the very photo" if own else ""
        _caption(draw, (x, y), photo.category or "(distractor)", photo.path.name, note)
        x += _CELL + _GAP


def _caption(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], category: str, file: str, note: str
) -> None:
    x, y = at[0], at[1] + _CELL + 8
    canvas.text(draw, (x, y), category, _TEXT_SIZE, colour=canvas.INK, width=_CELL)
    canvas.text(draw, (x, y + 24), file, _SMALL_SIZE, colour=canvas.QUIET, width=_CELL)
    canvas.text(draw, (x, y + 42), note, _SMALL_SIZE, colour=canvas.QUIET, width=_CELL)
