"""Pictures of failures that are fixed and of good matches that broke: before, and now.

A row each: the drawing, the photo that was judged, and what the encoder shows now. Photos framed
green were judged good for this drawing, red ones failures; nobody judged the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from retrieval import canvas
from retrieval.evaluation.findings import Change, Findings

ROWS: Final = 6
_SHOWN: Final = 5
_GOOD, _FAILURE, _FRAME = "#2da44e", "#b3261e", 5
_CELL, _GAP, _MARGIN, _PADDING, _ASIDE = 170, 12, 36, 12, 36
_CAPTION, _TITLE_SIZE, _TEXT_SIZE = 32, 26, 16
_ROW = _CELL + _CAPTION + 2 * _PADDING
_WIDTH = 2 * (_MARGIN + _PADDING) + (_SHOWN + 2) * _CELL + (_SHOWN + 1) * _GAP + 2 * _ASIDE
_HEADING = _TITLE_SIZE + 26


def render_changes(found: Findings, changes: Sequence[Change], title: str) -> Image.Image:
    """Draw the first of some changes, at most one of each drawing; returns an RGB image."""
    chosen = list({change.case.case: change for change in reversed(changes)}.values())[::-1][:ROWS]
    height = 2 * _MARGIN + _HEADING + max(1, len(chosen)) * (_ROW + _GAP)
    sheet = Image.new("RGB", (_WIDTH, height), canvas.BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    heading = f"{title} ({len(changes):,}), by {found.encoder}"
    width = _WIDTH - 2 * _MARGIN
    canvas.text(draw, (_MARGIN, _MARGIN), heading, _TITLE_SIZE, colour=canvas.INK, width=width)
    y = _MARGIN + _HEADING
    for change in chosen:
        _row(sheet, draw, y, found, change)
        y += _ROW + _GAP
    if not chosen:
        at = (_MARGIN, y)
        canvas.text(draw, at, "None.", _TEXT_SIZE, colour=canvas.QUIET, width=width)
    return sheet


def _row(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, y: int, found: Findings, change: Change
) -> None:
    canvas.panel(draw, (_MARGIN, y), (_WIDTH - 2 * _MARGIN, _ROW))
    verdicts = {photo.photo_id: photo.verdict for photo in change.case.photos}
    titles = {photo.photo_id: photo.title for photo in change.case.photos}
    x, y = _MARGIN + _PADDING, y + _PADDING
    canvas.fit(sheet, found.drawing(change.case), (x, y), _CELL, margin=0)
    _caption(draw, (x, y), change.case.month)
    x += _CELL + _ASIDE
    for number, photo_id in enumerate((change.photo_id, *change.now[:_SHOWN])):
        canvas.fit(sheet, found.photo(photo_id), (x, y), _CELL, margin=_FRAME)
        verdict = verdicts.get(photo_id)
        if verdict in ("good", "failure"):
            colour = _GOOD if verdict == "good" else _FAILURE
            box = (x, y, x + _CELL - 1, y + _CELL - 1)
            draw.rectangle(box, outline=colour, width=_FRAME)
        name = titles.get(photo_id, "")
        _caption(draw, (x, y), f"before: {name}" if not number else f"{number} {name}")
        x += _CELL + (_GAP if number else _ASIDE)


def _caption(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str) -> None:
    below = (at[0], at[1] + _CELL + 8)
    canvas.text(draw, below, text, _TEXT_SIZE, colour=canvas.QUIET, width=_CELL)
