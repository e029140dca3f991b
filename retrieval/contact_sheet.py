"""A picture of one search: the drawing on the left, the ranked photos on the right.

Pillow and pictures that are already decoded; no files, no models, nothing that needs torch.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

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

_BACKGROUND, _CARD, _BORDER = "#f4f5f7", "#ffffff", "#dfe2e7"
_INK, _QUIET, _ACCENT = "#1d2129", "#6b7280", "#5865f2"

# Pillow's own font is good looking and always there, but holds little more than ASCII.
_WRITABLE = frozenset(map(chr, range(32, 127))) | frozenset("‘’“”…")

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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
    sheet = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    if title:
        _text(
            draw, (_MARGIN, _MARGIN - 4), title, _TITLE_SIZE, colour=_INK, width=width - 2 * _MARGIN
        )
    _panel(draw, (_MARGIN, top), (_DRAWING, _DRAWING))
    _fit(sheet, drawing, (_MARGIN, top), _DRAWING)
    label = "The drawing" if matches else "The drawing (no photos found)"
    _text(draw, (_MARGIN, top + _DRAWING + 10), label, _TEXT_SIZE, colour=_QUIET, width=_DRAWING)
    for place, match in enumerate(matches):
        row, column = divmod(place, _COLUMNS)
        at = (left + column * (_CARD_WIDTH + _GAP), top + row * (_CARD_HEIGHT + _GAP))
        _card(sheet, draw, at, match)
    return sheet


def _card(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], match: SheetMatch
) -> None:
    _panel(draw, at, (_CARD_WIDTH, _CARD_HEIGHT))
    x, y = at[0] + _PADDING, at[1] + _PADDING
    _fit(sheet, match.thumbnail, (x, y), _CELL)
    y += _CELL + 6
    rank, score = f"{match.rank}", f"score {match.score:.3f}"
    indent = round(_font(rank, _TEXT_SIZE).getlength(rank)) + 8
    _text(draw, (x, y), rank, _TEXT_SIZE, colour=_ACCENT, width=_CELL)
    _text(draw, (x + indent, y), match.title, _TEXT_SIZE, colour=_INK, width=_CELL - indent)
    _text(draw, (x, y + 24), score, _SMALL_SIZE, colour=_QUIET, width=_CELL)
    _text(draw, (x, y + 42), match.credit, _SMALL_SIZE, colour=_QUIET, width=_CELL)


def _panel(draw: ImageDraw.ImageDraw, at: tuple[int, int], size: tuple[int, int]) -> None:
    box = (*at, at[0] + size[0] - 1, at[1] + size[1] - 1)
    draw.rounded_rectangle(box, radius=10, fill=_CARD, outline=_BORDER)


def _fit(sheet: Image.Image, picture: Image.Image, at: tuple[int, int], side: int) -> None:
    """Paste the picture into the middle of a square, 12 pixels inside it, on its own shape."""
    inside = side - 24
    scale = inside / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    fitted = picture.convert("RGBA").resize(size, Image.Resampling.LANCZOS)
    corner = (at[0] + (side - size[0]) // 2, at[1] + (side - size[1]) // 2)
    sheet.paste(fitted, corner, fitted)


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    *,
    colour: str,
    width: int,
) -> None:
    """Write one line of at most ``width`` pixels; what does not fit ends in an ellipsis."""
    line = _one_line(text)
    font = _font(line, size)
    if font.getlength(line) > width:
        while line and font.getlength(line + "…") > width:
            line = line[:-1]
        line = line.rstrip() + "…"
    draw.text(at, line, fill=colour, font=font)


def _one_line(text: str) -> str:
    """Return the text's first 200 characters as one line without control characters."""
    kept = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text[:200])
    return " ".join(kept.split())


def _font(line: str, size: int) -> _Font:
    """Return Pillow's own font, or DejaVu where it is installed for what that one cannot write."""
    if not set(line) <= _WRITABLE:
        with contextlib.suppress(OSError):
            return ImageFont.truetype("DejaVuSans.ttf", size)
    return ImageFont.load_default(size=size)
