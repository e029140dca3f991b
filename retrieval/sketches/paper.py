"""What is paper and what is ink.

Pixels are float32 (height, width, 3), 0 to 255; ink is (height, width), 0 to 255: how far each
pixel is from its paper.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

WORK_SIDE: Final = 640  # pixels; detection gains nothing from more

_COARSE: Final = 160  # pixels that uneven paper is judged by
_REACH: Final = 45  # of these pixels: wider than a stroke, narrower than a shadow
_CHECKS: Final = 0.2  # share of the picture that the rarer of a chequered ground's tones has
_CHECKS_APART: Final = 80.0  # grey levels between the two, at most
_CHECKS_HUE: Final = 16.0  # both are grey
_DARKEST: Final = 24.0  # grey levels of paper below which a share of its light means nothing

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


def background(image: Image.Image) -> int:
    """Choose what a transparent drawing is seen on: 255 for white, 0 for black."""
    if not image.has_transparency_data:
        return 255
    image = image.convert("RGBA")
    image.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(image, dtype=np.float32)
    shown = luma(pixels[..., :3])[pixels[..., 3] > 0.25 * 255]
    # Nothing dark among what is drawn: white chalk, which would vanish on white.
    return 0 if shown.size and np.percentile(shown, 2) > 160 else 255


def visible(image: Image.Image) -> Floats:
    """Shrink for work and flatten alpha where the ink shows: (height, width, 3), 0 to 255."""
    alpha = image.has_transparency_data
    seen_on = background(image)
    image = image.convert("RGBA" if alpha else "RGB")
    image.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(image, dtype=np.float32)
    if not alpha:
        return without_checks(pixels)
    cover = pixels[..., 3:] / 255
    return np.asarray(pixels[..., :3] * cover + seen_on * (1 - cover), dtype=np.float32)


def without_checks(pixels: Floats) -> Floats:
    """Make one tone of a chequered background, which stands for transparency in many programs.

    Two light or two dark greys that fill most of the picture in small squares, none of which
    touches its like by more than a corner.
    """
    grey = luma(pixels)
    tones: Floats = np.histogram(grey, bins=64, range=(0, 256))[0].astype(np.float32)
    tones = (tones + np.pad(tones, 1)[2:] + np.pad(tones, 1)[:-2]) / grey.size
    first = int(tones.argmax())
    tones[max(0, first - 2) : first + 3] = 0
    second = int(tones.argmax())
    low, high = sorted(4.0 * place + 2 for place in (first, second))
    if tones[second] < _CHECKS or high - low > _CHECKS_APART:
        return pixels
    ground = (grey > low - 8) & (grey < high + 8)
    ground &= strongest(pixels) + strongest(-pixels) < _CHECKS_HUE
    middle, soft = (low + high) / 2, (high - low) / 4  # between squares the tones run together
    for squares in (ground & (grey > middle + soft), ground & (grey < middle - soft)):
        pieces = cv2.connectedComponentsWithStats(squares.astype(np.uint8), connectivity=4)[2]
        if len(pieces) < 2 or pieces[1:, cv2.CC_STAT_AREA].max() > 0.02 * grey.size:
            return pixels
    return np.asarray(np.where(ground[..., None], np.float32(high), pixels))


def luma(pixels: Floats) -> Floats:
    """Grey value by ITU-R BT.601, as Pillow's mode L."""
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114], np.float32), dtype=np.float32)


def strongest(pixels: Floats) -> Floats:
    """Return the largest of each pixel's three values; far quicker than along the axis."""
    return np.asarray(np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2]))


def even_tone(pixels: Floats) -> Floats | None:
    """Return the tone (3,) of a bare page that is perfectly even, as a program draws it, or None.

    The border's tone counts half as much again as the whole picture's: a large filled shape must
    not pass for paper, nor a frame around a page.
    """
    grey = luma(pixels)
    edge = max(1, min(grey.shape) // 25)
    inner = np.zeros(grey.shape, bool)
    inner[edge:-edge, edge:-edge] = True

    def shares(values: Floats) -> Floats:
        counts = np.histogram(values, bins=16, range=(0, 256))[0].astype(np.float32)
        near = counts + 0.5 * (np.pad(counts, 1)[2:] + np.pad(counts, 1)[:-2])
        return np.asarray(near / max(values.size, 1), dtype=np.float32)

    tone = (int(np.argmax(shares(grey) + 0.5 * shares(grey[~inner]))) + 0.5) * 16
    step = max(1, max(grey.shape) // 256)  # a sample says as much
    some, grey = pixels[::step, ::step], grey[::step, ::step]
    likely = some[np.abs(grey - tone) <= 16]
    if not len(likely):
        return None
    paper = np.asarray(np.median(likely, axis=0), dtype=np.float32)
    return paper if np.percentile(np.abs(likely - paper), 90) <= 2 else None


def ink_on(pixels: Floats, paper: Floats) -> Floats:
    """Measure how far each pixel is from even paper (3,).

    Grey distance, but at least half the colour distance: yellow on white is a line too, while a
    yellow filling must not swallow its black outline.
    """
    grey = np.abs(luma(pixels) - luma(np.broadcast_to(paper, pixels.shape)))
    return np.asarray(np.maximum(grey, strongest(np.abs(pixels - paper)) / 2), dtype=np.float32)


def ink_in_photo(pixels: Floats) -> Floats:
    """Measure the ink on paper that is lit unevenly, as the share of light that it takes.

    The paper at a place is the median around it, which follows the edge of a shadow and passes over
    strokes. Ink is darker than paper, or lighter everywhere (chalk); never both, or the light of a
    lamp would be ink.
    """
    image = pixels.clip(0, 255).astype(np.uint8)
    height, width = image.shape[:2]
    if min(height, width) < _REACH:
        return ink_on(pixels, np.asarray(np.median(pixels, axis=(0, 1)), np.float32))
    share = min(1.0, _COARSE / max(height, width))
    size = max(3, round(width * share)), max(3, round(height * share))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    reach = min(_REACH, (min(size) - 1) // 2 * 2 + 1)
    paper = cv2.resize(cv2.medianBlur(small, reach), (width, height)).astype(np.float32)
    inks, depths = [], []
    for sign in (1.0, -1.0):
        off = sign * (paper - pixels)
        room = np.maximum(luma(paper if sign > 0 else 255 - paper), _DARKEST)
        amount = np.maximum(luma(off), strongest(off) / 2)
        amount[[0, 1, -2, -1]] = amount[:, [0, 1, -2, -1]] = 0  # half-seen pixels
        depths.append(float(np.percentile(amount[::2, ::2], 98.5)))
        inks.append(np.asarray((amount * 255 / room).clip(0, 255), np.float32))
    dark, light = inks
    # As light, not as a share of it: of a dark board every cloud takes a large share away.
    chalk = depths[1] > 2 * depths[0] and float(luma(paper).mean()) < 140
    return light if chalk else dark


def blurred(ink: Floats) -> Floats:
    """Average over 3 x 3 pixels, so that single specks are not taken for strokes."""
    whole = ink.clip(0, 255).round().astype(np.uint8)
    return np.asarray(cv2.blur(whole, (3, 3), borderType=cv2.BORDER_REPLICATE), dtype=np.float32)
