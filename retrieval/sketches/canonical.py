"""What comes in, what comes out: the canonical sketch, and how it is framed.

Canonical: dark ink on white, 8-bit grey, twice: the *subject*, centred, its longer side about 78%
of a square canvas, says what is drawn; the *page*, the same ink where it lay on its page, says
where and how large. Whatever changes the canonical pixels of clean drawings must raise
CANONICAL_VERSION, because training and stored embeddings depend on them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from retrieval.reports import Step
from retrieval.sketches import clutter, judgement, paper, sheet
from retrieval.sketches.judgement import NotADrawingError

CANONICAL_VERSION: Final = 2
SKETCH_SIZE: Final = 256
INK_SHARE: Final = 0.78

_FAINTEST: Final = 10.0  # grey levels (of 255) that a stroke must differ from its paper
_GRAIN: Final = 6.0  # times the grain's median that its peaks rise to
_FEWEST: Final = 12  # pixels that make a drawing
_SMALLEST: Final = 0.3  # share of the page below which a drawing's place means nothing
_FILLED: Final = 0.7  # share of the page from which on a drawing is said to fill it
_THINNEST: Final = 2.5  # pixels on the canonical canvas; training strokes are 2 to 4
_BROAD: Final = 6.0  # pixels of the work picture; from here on a stroke may be too thick
_THICKEST: Final = 7.0  # pixels on the canonical canvas
_USUAL: Final = 4.0  # pixels that a stroke too thick is drawn anew with
_UNEVEN: Final = 2.6  # times that a pen's stroke is thicker in some places than in others

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


class CanonicalSketch(NamedTuple):
    """The subject and the page, each mode L, SKETCH_SIZE x SKETCH_SIZE, dark ink on white."""

    subject: Image.Image
    page: Image.Image


class Traced(NamedTuple):
    """A canonical sketch, and what was done to the drawing that it was made of."""

    sketch: CanonicalSketch
    steps: tuple[Step, ...]


class BlankDrawingError(NotADrawingError):
    """Say that a picture has no drawing on it."""

    def __init__(self) -> None:
        super().__init__("blank")


def canonicalise(image: Image.Image, *, strict: bool = False) -> CanonicalSketch:
    """Turn a drawing into the canonical sketch.

    Takes any paper tone and ink colour, light on dark too, with or without alpha, drawn or
    photographed. Grey tones of the strokes are kept, stretched so that the strongest ink is black.
    The page is squeezed to a square, as photos are; a small doodle on it is taken for one in the
    middle of its own page. Raises BlankDrawingError and, if it is `strict`, NotADrawingError where
    what is to be seen is a photo, writing or noise instead.
    """
    return trace(image, strict=strict).sketch


def trace(image: Image.Image, *, strict: bool = False) -> Traced:
    """Do what :func:`canonicalise` does, and say what was done."""
    marks = find_marks(paper.visible(image))
    if strict:
        judgement.judge(marks)
    box, shares, steps = marks.box, marks.shares, list(marks.done)
    if max(shares) < _SMALLEST and max(image.size) > paper.WORK_SIDE and marks.whole_picture:
        # There is more to see of a small doodle than was left of it.
        closer = image.crop(_widened(box, marks.strokes.shape, image.size))
        marks = find_marks(paper.visible(closer))
        box = marks.box
        steps += ["enlarged", *(step for step in marks.done if step not in steps)]
    subject = _scaled(_stretched(marks.ink[box], marks.noise), marks.strokes[box])
    centred = _on_canvas(subject, *((SKETCH_SIZE - side) // 2 for side in subject.size))
    steps += ["cropped"] if max(shares) < _FILLED else []
    if max(shares) < _SMALLEST:
        return Traced(CanonicalSketch(centred, centred), tuple(steps))
    height, width = marks.strokes.shape
    laid_out = subject.resize(
        (max(1, round(shares[0] * SKETCH_SIZE)), max(1, round(shares[1] * SKETCH_SIZE))),
        Image.Resampling.BILINEAR,
    )
    left, top = box[1].start / width * SKETCH_SIZE, box[0].start / height * SKETCH_SIZE
    page = _on_canvas(laid_out, round(left), round(top))
    return Traced(CanonicalSketch(centred, page), tuple(steps))


class Marks(NamedTuple):
    """What is drawn: ink (height, width), its grain, and which pixels are strokes."""

    pixels: Floats  # the page (height, width, 3)
    even: bool  # of one tone, as programs draw it
    ink: Floats
    noise: float
    strokes: Mask
    done: tuple[Step, ...]

    @property
    def whole_picture(self) -> bool:
        """Nothing was cut off, straightened or ruled."""
        return not {"bars", "sheet", "rules"} & set(self.done)

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns that hold the strokes."""
        rows, columns = (np.flatnonzero(self.strokes.any(axis=axis)) for axis in (1, 0))
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    @property
    def shares(self) -> tuple[float, float]:
        """Width and height of the box as shares of the page's."""
        (rows, columns), (height, width) = self.box, self.strokes.shape
        return (columns.stop - columns.start) / width, (rows.stop - rows.start) / height


def find_marks(pixels: Floats) -> Marks:
    """Find the ink and the strokes. Raises BlankDrawingError."""
    whole, done = pixels, list[Step]()
    tone = paper.even_tone(pixels)
    if tone is not None:
        pixels = sheet.cropped_to_canvas(pixels, tone)
        done += ["bars"] if pixels.shape != whole.shape else []
        ink = paper.ink_on(pixels, tone)
    else:
        flat = sheet.rectified(pixels)
        pixels = pixels if flat is None else flat
        done += ["shadows"] if flat is None else ["sheet", "shadows"]
        ink = paper.ink_in_photo(pixels)
    grain = _GRAIN if tone is not None else 2.2 * _GRAIN  # of photos one side of it is seen
    noise, strokes = _strokes(ink, grain)
    bare = clutter.without_rules(ink, max(noise, _FAINTEST))
    if bare is not ink:
        done.append("rules")
        ink = bare
        noise, strokes = _strokes(ink, grain)
    kept, cleaned = _cleaned(strokes, even=tone is not None)
    if kept.sum() < (_FEWEST if tone is not None else 4 * _FEWEST):
        raise BlankDrawingError
    if tone is None or (kept != strokes).any():
        near = cv2.dilate(kept.astype(np.uint8), np.ones((5, 5), np.uint8))
        ink = np.where(near > 0, ink, 0).astype(np.float32)
    grey = paper.luma(pixels)
    done += cleaned + (["inverted"] if grey[kept].mean() > grey[~kept].mean() else [])
    return Marks(pixels, tone is not None, ink, noise, kept, tuple(done))


def _cleaned(strokes: Mask, *, even: bool) -> tuple[Mask, list[Step]]:
    """Take away what is not the drawing; specks are usual on paper, and not told of there."""
    specks = clutter.without_specks(strokes) if even else clutter.without_specks(strokes, few=0)
    inside = specks if even else clutter.without_border(specks)
    kept = clutter.without_captions(inside)
    done: list[Step] = []
    if inside is not specks or (even and specks is not strokes):
        done.append("clutter")
    if kept is not inside:
        done.append("caption")
    return kept, done


def _strokes(ink: Floats, grain: float) -> tuple[float, Mask]:
    """Tell strokes from the grain of the paper; returns the grain's depth and which they are."""
    calm = paper.blurred(ink)
    # Grain is what the blur takes away nearly everywhere; flat paper and flat ink both have none.
    noise = min(grain * float(np.median(np.abs(ink - calm))), float(calm.max()) / 2)
    marks = calm[calm > max(noise, _FAINTEST)]
    if marks.size < _FEWEST:
        raise BlankDrawingError
    bar = max(noise, 0.3 * float(np.percentile(marks, 90)))
    strokes = (calm > min(bar, marks.max() / 2)) & (ink > min(bar, ink.max() / 2))
    if strokes.sum() < _FEWEST:
        raise BlankDrawingError
    return noise, np.asarray(strokes)


def _widened(
    box: tuple[slice, slice], seen: tuple[int, ...], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return a box of the work picture in the pixels of the whole one, with some paper around."""
    rows, columns = box
    ratio = size[0] / seen[1], size[1] / seen[0]
    margin = 0.15 * max(rows.stop - rows.start, columns.stop - columns.start) + 2
    return (
        max(0, round((columns.start - margin) * ratio[0])),
        max(0, round((rows.start - margin) * ratio[1])),
        min(size[0], round((columns.stop + margin) * ratio[0])),
        min(size[1], round((rows.stop + margin) * ratio[1])),
    )


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
    if _stroke_width(strokes) >= _BROAD:
        picture = _with_even_strokes(picture, strokes, shrink)
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


def _with_even_strokes(picture: Image.Image, strokes: Mask, shrink: float) -> Image.Image:
    """Pare thick strokes down to a usual width; filled shapes, which are no strokes, stay."""
    solid = np.pad(strokes.astype(np.uint8), 1)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    ridge = (depth > 1) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))
    if not ridge.any():
        return picture
    low, middle, high = np.percentile(2 * depth[ridge], (20, 50, 90))
    if middle < _THICKEST * shrink or high > _UNEVEN * max(low, 1):
        return picture
    if middle > 0.15 * max(strokes.shape) or ridge.sum() < 3 * middle:
        return picture
    pared = (depth - (low - _USUAL * shrink) / 2 + 0.5).clip(0, 1)[1:-1, 1:-1]
    return Image.fromarray((255 * pared).round().astype(np.uint8))
