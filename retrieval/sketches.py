"""A drawing as people send it to the canonical sketch that the encoder was trained on.

Canonical: dark ink on white, 8-bit grey, twice: the *subject*, centred, its longer side about 78%
of a square canvas, says what is drawn; the *page*, the same ink where it lay on its page, says
where and how large. Only numpy and Pillow in here: no torch, no files. Whatever changes the
canonical pixels of any drawing must raise CANONICAL_VERSION, because embeddings and training
depend on them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

CANONICAL_VERSION: Final = 2
SKETCH_SIZE: Final = 256
INK_SHARE: Final = 0.78

_WORK_SIDE: Final = 640  # pixels; detection gains nothing from more
_FAINTEST: Final = 10.0  # grey levels (of 255) that a stroke must differ from its paper
_FEWEST: Final = 12  # pixels that make a drawing
_SMALLEST: Final = 0.3  # share of the page below which a drawing's place means nothing
_THINNEST: Final = 2.5  # pixels on the canonical canvas; training strokes are 2 to 4

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class CanonicalSketch(NamedTuple):
    """The subject and the page, each mode L, SKETCH_SIZE x SKETCH_SIZE, dark ink on white."""

    subject: Image.Image
    page: Image.Image


class BlankDrawingError(ValueError):
    """Say that a picture has no drawing on it."""

    def __init__(self) -> None:
        super().__init__("I see nothing drawn here.")


def canonicalise(image: Image.Image) -> CanonicalSketch:
    """Turn a drawing into the canonical sketch.

    Takes any paper tone and ink colour, light on dark too, with or without alpha. Grey tones of the
    strokes are kept, stretched so that the strongest ink is black. The page is squeezed to a
    square, as photos are; a small doodle on it is taken for one in the middle of its own page.
    Raises BlankDrawingError.
    """
    pixels = _visible(image)
    ink = _ink(pixels, _paper(pixels))
    calm = _blurred(ink)
    # Grain is what the blur takes away nearly everywhere; flat paper and flat ink both have none.
    noise = min(6 * float(np.median(np.abs(ink - calm))), float(calm.max()) / 2)
    marks = calm[calm > max(noise, _FAINTEST)]
    if marks.size < _FEWEST:
        raise BlankDrawingError
    bar = max(noise, 0.3 * float(np.percentile(marks, 90)))
    strokes = (calm > min(bar, marks.max() / 2)) & (ink > min(bar, ink.max() / 2))
    if strokes.sum() < _FEWEST:
        raise BlankDrawingError
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    subject = _scaled(_stretched(ink[box], noise), strokes[box])
    centred = _on_canvas(subject, *((SKETCH_SIZE - side) // 2 for side in subject.size))
    height, width = strokes.shape
    shares = (columns[-1] + 1 - columns[0]) / width, (rows[-1] + 1 - rows[0]) / height
    if max(shares) < _SMALLEST:
        return CanonicalSketch(centred, centred)
    laid_out = subject.resize(
        (max(1, round(shares[0] * SKETCH_SIZE)), max(1, round(shares[1] * SKETCH_SIZE))),
        Image.Resampling.BILINEAR,
    )
    left, top = columns[0] / width * SKETCH_SIZE, rows[0] / height * SKETCH_SIZE
    return CanonicalSketch(centred, _on_canvas(laid_out, round(left), round(top)))


def background(image: Image.Image) -> int:
    """Choose what a transparent drawing is seen on: 255 for white, 0 for black."""
    if not image.has_transparency_data:
        return 255
    image = image.convert("RGBA")
    image.thumbnail((_WORK_SIDE, _WORK_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(image, dtype=np.float32)
    shown = _luma(pixels[..., :3])[pixels[..., 3] > 0.25 * 255]
    # Nothing dark among what is drawn: white chalk, which would vanish on white.
    return 0 if shown.size and np.percentile(shown, 2) > 160 else 255


def _visible(image: Image.Image) -> Floats:
    """Shrink for work and flatten alpha where the ink shows: (height, width, 3), 0 to 255."""
    alpha = image.has_transparency_data
    seen_on = background(image)
    image = image.convert("RGBA" if alpha else "RGB")
    image.thumbnail((_WORK_SIDE, _WORK_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(image, dtype=np.float32)
    if not alpha:
        return pixels
    cover = pixels[..., 3:] / 255
    return np.asarray(pixels[..., :3] * cover + seen_on * (1 - cover), dtype=np.float32)


def _luma(pixels: Floats) -> Floats:
    """Grey value by ITU-R BT.601, as Pillow's mode L."""
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114], np.float32), dtype=np.float32)


def _paper(pixels: Floats) -> Floats:
    """Estimate the bare paper: its commonest tone, or a smooth surface if it is lit unevenly.

    The border's tone counts half as much again as the whole picture's: a large filled shape must
    not pass for paper, nor a frame around a page.
    """
    luma = _luma(pixels)
    edge = max(1, min(luma.shape) // 25)
    inner = np.zeros(luma.shape, bool)
    inner[edge:-edge, edge:-edge] = True

    def shares(values: Floats) -> Floats:
        counts = np.histogram(values, bins=16, range=(0, 256))[0].astype(np.float32)
        near = counts + 0.5 * (np.pad(counts, 1)[2:] + np.pad(counts, 1)[:-2])
        return np.asarray(near / max(values.size, 1), dtype=np.float32)

    tone = (int(np.argmax(shares(luma) + 0.5 * shares(luma[~inner]))) + 0.5) * 16
    likely = np.abs(luma - tone) <= 16
    paper = np.asarray(np.median(pixels[likely], axis=0), dtype=np.float32)
    if np.percentile(np.abs(pixels[likely] - paper), 90) <= 2:
        return paper  # digital: perfectly even
    return _surface(pixels, likely)


def _surface(pixels: Floats, likely: Mask) -> Floats:
    """Fit a quadratic surface of light to the paper pixels, re-choosing them a few times."""
    height, width = likely.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)
    step = max(1, max(height, width) // 96)
    some, few, chosen = basis[::step, ::step], pixels[::step, ::step], likely[::step, ::step]
    weights = np.zeros((6, 3), np.float32)
    for _ in range(6):
        weights = np.linalg.lstsq(some[chosen], few[chosen], rcond=None)[0]
        off = np.abs(few - some @ weights).max(axis=-1)
        chosen = off < max(8.0, 3 * float(np.median(off[chosen])))
        if chosen.sum() < 32:
            break
    return np.asarray((basis @ weights).clip(0, 255), dtype=np.float32)


def _ink(pixels: Floats, paper: Floats) -> Floats:
    """Measure how far each pixel is from its paper, 0 to 255.

    Grey distance, but at least half the colour distance: yellow on white is a line too, while a
    yellow filling must not swallow its black outline.
    """
    difference = np.abs(pixels - paper)
    grey = np.abs(_luma(pixels) - _luma(np.broadcast_to(paper, pixels.shape)))
    return np.asarray(np.maximum(grey, difference.max(axis=-1) / 2), dtype=np.float32)


def _blurred(ink: Floats) -> Floats:
    """Average over 3 x 3 pixels, so that single specks are not taken for strokes."""
    image = Image.fromarray(ink.clip(0, 255).round().astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.BoxBlur(1)), dtype=np.float32)


def _stretched(ink: Floats, floor: float) -> Floats:
    """Stretch the tones: paper and its grain to 0, the stronger strokes to 255."""
    raised = ink - floor
    strong = raised[raised > 0.6 * np.percentile(raised[raised > 0], 99)]
    return np.asarray((raised * (255 / np.median(strong))).clip(0, 255), dtype=np.float32)


def _scaled(ink: Floats, strokes: Mask) -> Image.Image:
    """Scale the cropped ink to the size that it has on the canonical canvas: bright on black."""
    height, width = ink.shape
    shrink = max(height, width) / round(INK_SHARE * SKETCH_SIZE)
    picture = Image.fromarray(ink.round().astype(np.uint8))
    missing = _THINNEST * shrink - _stroke_width(strokes)
    if shrink > 1 and missing >= 0.5:  # hair lines would fade away when scaled down
        picture = picture.filter(ImageFilter.MaxFilter(2 * round(missing / 2 + 0.5) + 1))
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    return Image.fromarray(_stretched(np.asarray(picture, np.float32), 0).round().astype(np.uint8))


def _on_canvas(ink: Image.Image, left: int, top: int) -> Image.Image:
    """Lay bright ink on the canonical canvas and turn it dark on white."""
    canvas = Image.new("L", (SKETCH_SIZE, SKETCH_SIZE), 0)
    canvas.paste(ink, (left, top))
    return canvas.point(lambda value: 255 - value)


def _stroke_width(strokes: Mask) -> float:
    """Estimate the mean stroke width in pixels: twice the area over the length of the outline."""
    padded = np.pad(strokes, 1)
    outline = sum(int((padded != np.roll(padded, 1, axis=axis)).sum()) for axis in (0, 1))
    # Counted along rows and columns, an outline seems 4/pi times its length.
    return 2 * float(strokes.sum()) / (outline * np.pi / 4)
