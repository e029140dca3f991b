"""What every picture of results is made of: panels, pictures fitted into squares, lines of text.

Pillow and pictures that are already decoded. Where things stand is for the sheets to decide.
"""

from __future__ import annotations

import contextlib
import unicodedata

from PIL import Image, ImageDraw, ImageFont

BACKGROUND, CARD, BORDER = "#f4f5f7", "#ffffff", "#dfe2e7"
INK, QUIET, ACCENT = "#1d2129", "#6b7280", "#5865f2"

# Pillow's own font is good looking and always there, but holds little more than ASCII.
_WRITABLE = frozenset(map(chr, range(32, 127))) | frozenset("‘’“”…")

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def panel(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    size: tuple[int, int],
    outline: str = BORDER,
    width: int = 1,
) -> None:
    """Draw a white card with round corners; its outline, ``width`` pixels wide, lies inside it."""
    box = (*at, at[0] + size[0] - 1, at[1] + size[1] - 1)
    draw.rounded_rectangle(box, radius=10, fill=CARD, outline=outline, width=width)


def fit(
    sheet: Image.Image, picture: Image.Image, at: tuple[int, int], side: int, margin: int = 12
) -> None:
    """Paste the picture into the middle of a square, inside a margin, on its own shape."""
    inside = side - 2 * margin
    scale = inside / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    fitted = picture.convert("RGBA").resize(size, Image.Resampling.LANCZOS)
    corner = (at[0] + (side - size[0]) // 2, at[1] + (side - size[1]) // 2)
    sheet.paste(fitted, corner, fitted)


def text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    line: str,
    size: int,
    *,
    colour: str,
    width: int,
) -> None:
    """Write one line of at most ``width`` pixels; what does not fit ends in an ellipsis."""
    line = _one_line(line)
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


def text_width(line: str, size: int) -> int:
    """Return how many pixels wide a line would be written."""
    return round(_font(line, size).getlength(line))


def _font(line: str, size: int) -> _Font:
    """Return Pillow's own font, or DejaVu where it is installed for what that one cannot write."""
    if not set(line) <= _WRITABLE:
        with contextlib.suppress(OSError):
            return ImageFont.truetype("DejaVuSans.ttf", size)
    return ImageFont.load_default(size=size)
