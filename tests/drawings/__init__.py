"""Small drawings for tests, kept as strokes in JSON and rendered when a test asks.

All are this project's own strokes. Each file holds ``name``, ``expect`` (lower-case words, one of
which stands in the title of a sensible match from the starter gallery) and ``strokes``: lists of
``[x, y]`` in a square from 0 to 1, y downwards. Nothing of the project is imported here.
"""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

Point = tuple[float, float]

_HERE = Path(__file__).parent
_SUPERSAMPLING = 4
_CORNER_DEGREES = 66  # sharper turns were meant as corners and stay sharp
_STEPS = 6


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing: what it shows, what a good match is called, and its strokes."""

    name: str
    expect: tuple[str, ...]
    strokes: tuple[tuple[Point, ...], ...]

    def matches(self, title: str) -> bool:
        """Say whether a photo of this title is a sensible match: it has one of the words whole."""
        words = "|".join(map(re.escape, self.expect))
        return re.search(rf"\b({words})\b", title.lower()) is not None


def names() -> list[str]:
    """Return the names of all drawings, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.json"))


def load(name: str) -> Drawing:
    """Read one drawing. Raises FileNotFoundError for a name that is not there."""
    data = json.loads((_HERE / f"{name}.json").read_text("utf-8"))
    strokes = tuple(tuple((x, y) for x, y in stroke) for stroke in data["strokes"])
    return Drawing(data["name"], tuple(data["expect"]), strokes)


def render(
    name: str,
    size: int = 400,
    width: float = 5,
    colour: str | tuple[int, ...] = "black",
    background: str | tuple[int, ...] = "white",
) -> Image.Image:
    """Render a drawing as a square image of ``size`` pixels with lines ``width`` pixels wide.

    The image is RGBA if ``background`` is a tuple of four, RGB otherwise.
    """
    mask = Image.new("L", (size * _SUPERSAMPLING,) * 2)
    draw = ImageDraw.Draw(mask)
    radius = width * _SUPERSAMPLING / 2
    for stroke in load(name).strokes:
        points = [(x * mask.width, y * mask.height) for x, y in smooth(stroke)]
        draw.line(points, fill=255, width=max(1, round(2 * radius)), joint="curve")
        for x, y in (points[0], points[-1]):  # a pen leaves round ends
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    mask = mask.resize((size, size), Image.Resampling.LANCZOS)
    mode = "RGBA" if isinstance(background, tuple) and len(background) == 4 else "RGB"
    image = Image.new(mode, (size, size), background)
    image.paste(Image.new(mode, (size, size), colour), mask=mask)
    return image


def render_png(
    name: str,
    size: int = 400,
    width: float = 5,
    colour: str | tuple[int, ...] = "black",
    background: str | tuple[int, ...] = "white",
) -> bytes:
    """Render a drawing as the bytes of a PNG file; for the arguments see :func:`render`."""
    buffer = io.BytesIO()
    render(name, size, width, colour, background).save(buffer, "PNG")
    return buffer.getvalue()


def smooth(stroke: tuple[Point, ...]) -> list[Point]:
    """Return the stroke with Catmull-Rom curves between its corners."""
    ends = [0, *(i for i in range(1, len(stroke) - 1) if _is_corner(*stroke[i - 1 : i + 2]))]
    smoothed: list[Point] = []
    for start, end in zip(ends, [*ends[1:], len(stroke) - 1], strict=True):
        piece = stroke[start : end + 1]
        padded = (piece[0], *piece, piece[-1])
        for quartet in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
            smoothed += [_catmull_rom(quartet, step / _STEPS) for step in range(_STEPS)]
    return [*smoothed, stroke[-1]]


def _is_corner(before: Point, here: Point, after: Point) -> bool:
    turn = math.atan2(after[1] - here[1], after[0] - here[0]) - math.atan2(
        here[1] - before[1], here[0] - before[0]
    )
    return abs(math.degrees(math.remainder(turn, math.tau))) > _CORNER_DEGREES


def _catmull_rom(points: tuple[Point, ...], t: float) -> Point:
    x, y = (
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(*points, strict=True)
    )
    return x, y
