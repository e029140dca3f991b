"""A picture of one search: the drawing on the left, the ranked photos on the right.

Pillow and pictures that are already decoded; no files, no models, nothing that needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from retrieval import canvas

_COLUMNS = 5
_CELL = 220  # the side of the square that a photo is fitted into
_GAP = 20
_MARGIN = 40
_PADDING = 10  # between a card's border and its photo
_DRAWING = 360
_TITLE_SIZE, _TEXT_SIZE, _SMALL_SIZE = 26, 17, 14
_CAPTION = 66  # title, then score and credit
_CARD_WIDTH = _CELL + 2 * _PADDING
_CARD_HEIGHT = _CELL + _CAPTION + 2 * _PADDING


@dataclass(frozen=True, slots=True)
class SheetMatch:
    """One photo of a sheet: ``rank`` counts from 1, ``score`` is the cosine similarity."""

    rank: int
    title: str
    score: float
    thumbnail: Image.Image
    credit: str = ""


def render(
    drawing: Image.Image, matches: Sequence[SheetMatch], title: str | None = None
) -> Image.Image:
    """Draw the contact sheet and return it as an RGB image.

    The photos stand in rows of five in the order given, so the sheet grows downwards with them.
    Text is fitted to its card; a character that no font at hand has is drawn as a box.
    """
    columns = min(_COLUMNS, max(1, len(matches)))
    rows = -(-len(matches) // _COLUMNS)
    top = _MARGIN + (_TITLE_SIZE + _GAP if title else 0)
    left = _MARGIN + _DRAWING + 2 * _GAP
    right_height = rows * (_CARD_HEIGHT + _GAP) - _GAP
    width = left + columns * (_CARD_WIDTH + _GAP) - _GAP + _MARGIN
    height = top + max(_DRAWING + _TEXT_SIZE + _GAP, right_height) + _MARGIN
    sheet = Image.new("RGB", (width, height), canvas.BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    if title:
        canvas.text(
            draw,
            (_MARGIN, _MARGIN - 4),
            title,
            _TITLE_SIZE,
            colour=canvas.INK,
            width=width - 2 * _MARGIN,
        )
    canvas.panel(draw, (_MARGIN, top), (_DRAWING, _DRAWING))
    canvas.fit(sheet, drawing, (_MARGIN, top), _DRAWING)
    label = "The drawing" if matches else "The drawing (no photos found)"
    canvas.text(
        draw, (_MARGIN, top + _DRAWING + 10), label, _TEXT_SIZE, colour=canvas.QUIET, width=_DRAWING
    )
    for place, match in enumerate(matches):
        row, column = divmod(place, _COLUMNS)
        at = (left + column * (_CARD_WIDTH + _GAP), top + row * (_CARD_HEIGHT + _GAP))
        _card(sheet, draw, at, match)
    return sheet


def _card(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], match: SheetMatch
) -> None:
    canvas.panel(draw, at, (_CARD_WIDTH, _CARD_HEIGHT))
    x, y = at[0] + _PADDING, at[1] + _PADDING
    canvas.fit(sheet, match.thumbnail, (x, y), _CELL)
    y += _CELL + 6
    rank, score = f"{match.rank}", f"score {match.score:.3f}"
    indent = canvas.text_width(rank, _TEXT_SIZE) + 8
    canvas.text(draw, (x, y), rank, _TEXT_SIZE, colour=canvas.ACCENT, width=_CELL)
    canvas.text(
        draw, (x + indent, y), match.title, _TEXT_SIZE, colour=canvas.INK, width=_CELL - indent
    )
    canvas.text(draw, (x, y + 24), score, _SMALL_SIZE, colour=canvas.QUIET, width=_CELL)
    canvas.text(draw, (x, y + 42), match.credit, _SMALL_SIZE, colour=canvas.QUIET, width=_CELL)
