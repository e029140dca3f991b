"""Is it a drawing at all, or a photo, a wall of text, noise?

A few statistics of the page and of its strokes, and a multinomial logistic regression over them,
whose numbers lie beside this file; `magic-pencil refusals --fit` chooses them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from retrieval.sketches import paper

if TYPE_CHECKING:
    from retrieval.sketches.canonical import Marks

Reason = Literal["blank", "photo", "text", "noise"]
Floats = npt.NDArray[np.floating]

MODEL: Final = Path(__file__).with_name("judgement.json")
_REASONS: Final[tuple[Reason, ...]] = ("photo", "text", "noise")
CLASSES: Final = ("drawing", *_REASONS)
_DARKEST: Final = 16.0  # grey levels of paper below which its hue means nothing

_SENTENCES: Final[dict[Reason, str]] = {
    "blank": "I see nothing drawn here.",
    "photo": "This looks like a photo, not like a drawing.",
    "text": "This looks like a page of writing, not like a drawing.",
    "noise": "I see nothing but noise here.",
}


class NotADrawingError(ValueError):
    """Say what a picture shows instead of a drawing: `reason` for programs, `str()` for people."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_SENTENCES[reason])
        self.reason: Reason = reason


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Logistic regression over standardised statistics and their squares.

    `weights` are a row for each of CLASSES: of each statistic, of each one's square, and a
    constant. A class other than a drawing is named only when its probability is above `bar`.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    bar: float

    def probabilities(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the classes' probabilities (4,) for statistics (n,)."""
        logits = np.asarray(self.weights) @ expanded(values, self.mean, self.spread)
        shares = np.exp(logits - logits.max())
        return np.asarray(shares / shares.sum())

    def verdict(self, values: npt.NDArray[np.floating]) -> Reason | None:
        """Return what statistics (n,) speak of, None for a drawing."""
        chances = self.probabilities(values)
        best = int(chances[1:].argmax())
        return _REASONS[best] if chances[best + 1] > self.bar else None


def expanded(
    values: Floats, mean: Sequence[float] | Floats, spread: Sequence[float] | Floats
) -> npt.NDArray[np.float64]:
    """Standardise statistics (…, n); returns them, their squares and a one: (…, 2 n + 1)."""
    scaled = ((values - np.asarray(mean)) / np.asarray(spread)).clip(-4, 4)
    return np.concatenate([scaled, scaled**2, np.ones((*scaled.shape[:-1], 1))], axis=-1)


@functools.cache
def model() -> Model:
    """Return the model beside this file."""
    return msgspec.json.decode(MODEL.read_bytes(), type=Model)


def judge(marks: Marks) -> None:
    """Raise NotADrawingError if what was found is a photo, text or noise."""
    reason = model().verdict(statistics(marks))
    if reason is not None:
        raise NotADrawingError(reason)


def statistics(marks: Marks) -> Floats:
    """Return what tells drawings from other pictures, (n,)."""
    strokes = marks.strokes.astype(np.uint8)
    return np.array(
        [*_of_page(marks, strokes), *_of_strokes(marks, strokes), *_of_pieces(strokes)], np.float32
    )


def _of_page(marks: Marks, strokes: npt.NDArray[np.uint8]) -> list[float]:
    """Measure what lies between the strokes: bare paper is smooth, of one hue and one tone."""
    far = cv2.dilate(strokes, np.ones((9, 9), np.uint8)) == 0
    seen = far if far.mean() >= 0.02 else np.ones_like(far)
    pixels = marks.pixels
    grey = paper.luma(pixels)
    relief = np.abs(cv2.Laplacian(cv2.blur(grey, (3, 3)), cv2.CV_32F))
    # Whatever hue most of it has: a yellow note is paper, too.
    tint = np.maximum(np.median(pixels[seen][::4], axis=0), _DARKEST)
    balanced = pixels * (paper.luma(tint) / tint)
    chroma = paper.strongest(balanced) + paper.strongest(-balanced)
    tones = np.histogram(grey[::2, ::2], bins=32, range=(0, 256))[0] / grey[::2, ::2].size
    entropy = -float((tones * np.log(tones + 1e-9)).sum())
    most = np.sort(tones)[::-1]
    return [
        float(far.mean()),
        float(np.log1p(relief[seen].mean())),
        float(np.log1p(np.percentile(relief[::2, ::2], 90))),
        float(chroma[seen].mean()) / 64,
        float(chroma[seen].std()) / 32,
        float(grey[seen].std()) / 32,
        entropy,
        float(most[:3].sum()),
        float(marks.even),
        float(np.log1p(marks.noise)),
    ]


def _of_strokes(marks: Marks, strokes: npt.NDArray[np.uint8]) -> list[float]:
    """Measure the strokes: a pen's are of one tone and about one width."""
    box = marks.box
    inside = strokes[box]
    ink = marks.ink[marks.strokes]
    top = max(float(np.percentile(ink, 90)), 1.0)
    depth = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 3)
    ridge = (depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))
    widths = 2 * depth[ridge]
    extent = max(inside.shape)
    outline = float(np.abs(np.diff(inside.astype(np.int8), axis=1)).mean())
    return [
        float(inside.mean()),
        float(((ink > 0.3 * top) & (ink < 0.75 * top)).mean()),
        float(ink.std()) / top,
        float(np.log(widths.mean() / extent)),
        float(widths.std() / widths.mean()),
        float(np.percentile(widths, 98)) / extent,
        float(np.log(max(marks.shares))),
        float(np.log(min(marks.shares))),
        outline,
    ]


def _of_pieces(strokes: npt.NDArray[np.uint8]) -> list[float]:
    """Measure the connected pieces: letters are many, small, alike, in rows; noise is crumbs."""
    count, _, boxes, middles = cv2.connectedComponentsWithStats(strokes)
    boxes, middles = boxes[1:], middles[1:]
    heights = boxes[:, cv2.CC_STAT_HEIGHT].astype(np.float32)
    areas = boxes[:, cv2.CC_STAT_AREA].astype(np.float32)
    height, width = strokes.shape
    typical = float(np.median(heights))
    alike = (heights > 0.55 * typical) & (heights < 1.8 * typical)
    rows = strokes.sum(axis=1).astype(np.float32)
    rows = rows[np.flatnonzero(rows)[0] : np.flatnonzero(rows)[-1] + 1]
    steps = rows - rows.mean()
    power = np.abs(np.fft.rfft(steps, max(256, len(steps)))) ** 2
    periodic = float(power[4:].max() / (power[1:].sum() + 1e-6)) if len(rows) > 16 else 0.0
    spread = np.histogram2d(
        middles[:, 1] / height, middles[:, 0] / width, bins=8, range=((0, 1), (0, 1))
    )[0]
    return [
        float(np.log(count)),
        float(np.log(typical / height)),
        float(alike.mean()),
        float(np.log(areas.max() / areas.sum())),
        float((areas < 12).mean()),
        float((spread > 0).mean()),
        periodic,
        float((rows < 0.15 * rows.max()).mean()),
    ]
