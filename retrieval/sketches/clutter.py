"""Take away what is not the drawing: specks, ruled lines, captions, what hangs at the border.

Ink is (height, width) float32, 0 to 255, how far each pixel is from its paper; masks are bool.
Every step leaves an ordinary clean drawing exactly as it is.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

_FEWEST_RULES: Final = 5
_STEEPEST: Final = 9  # degrees that a page may be askew
_RULED_SIDE: Final = 320  # pixels that rules are looked for in
_CROSSING: Final = 1.45  # times the ink of a rule alone that a stroke has
_SPECK: Final = 9  # pixels
_MANY_SPECKS: Final = 25


def without_rules(ink: Floats, floor: float) -> Floats:
    """Take away the lines of ruled or squared paper: many, long, parallel and about level."""
    marked = (ink > floor).astype(np.uint8)
    on = np.zeros(ink.shape, bool)
    for upright in (False, True):
        angle = _ruling(np.ascontiguousarray(marked.T if upright else marked))
        if angle is None:
            continue
        kernel = _line(max(15, ink.shape[not upright] // 14), angle)
        kernel = np.ascontiguousarray(kernel.T) if upright else kernel
        thick = cv2.dilate(marked, np.ones((3, 3), np.uint8))
        on |= cv2.morphologyEx(thick, cv2.MORPH_OPEN, kernel) > 0
    on &= marked > 0
    if not on.any():
        return ink
    # Where a stroke crosses, there is more ink than on a line alone.
    most = _CROSSING * float(np.percentile(ink[on], 60))
    beside = cv2.dilate((on & (ink < most)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(beside & (ink < most), 0, ink).astype(np.float32)


def _ruling(marked: npt.NDArray[np.uint8]) -> float | None:
    """Return the slope in degrees of many long parallel lines across a mask, or None."""
    if min(marked.shape) < 16 * _FEWEST_RULES:
        return None
    share = _RULED_SIDE / max(marked.shape)
    if share < 1:  # half the pixels are a quarter of the work
        less = cv2.resize(255 * marked, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        marked = (np.asarray(less) > 60).astype(np.uint8)
    height, width = marked.shape
    if int((marked.sum(axis=1) > 0.2 * width).sum()) < _FEWEST_RULES:
        return None
    found = cv2.HoughLinesP(
        marked, 1, np.pi / 360, width // 4, minLineLength=0.45 * width, maxLineGap=0.06 * width
    )
    if found is None:
        return None
    lines = found.reshape(-1, 4).astype(np.float32)
    slopes = np.degrees(np.arctan2(lines[:, 3] - lines[:, 1], lines[:, 2] - lines[:, 0]))
    level = np.abs(slopes) < _STEEPEST
    if level.sum() < _FEWEST_RULES:
        return None
    slope = float(np.median(slopes[level]))
    parallel = level & (np.abs(slopes - slope) < 1.5)
    tilt = np.tan(np.radians(slope))
    heights = lines[parallel, 1] + tilt * (width / 2 - lines[parallel, 0])
    bins = np.unique((heights / max(3.0, height / 60)).round())
    different = 1 + int((np.diff(bins) > 1).sum()) if len(bins) else 0
    if different < _FEWEST_RULES or np.ptp(heights) < 0.4 * height:
        return None
    return slope


def _line(length: int, degrees: float) -> npt.NDArray[np.uint8]:
    rise = round(length * float(np.tan(np.radians(degrees))))
    kernel = np.zeros((abs(rise) + 1, length), np.uint8)
    ends = ((0, 0), (length - 1, rise)) if rise >= 0 else ((0, -rise), (length - 1, 0))
    cv2.line(kernel, ends[0], ends[1], 1)
    return kernel


def without_specks(strokes: Mask, few: int = _MANY_SPECKS) -> Mask:
    """Take away specks where there are more than `few`: grain, salt and pepper, dust."""
    count, names, boxes, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8))
    areas = boxes[:, cv2.CC_STAT_AREA]
    specks = areas <= _SPECK
    if specks[1:].sum() < few or count < 2:
        return strokes
    keep = ~specks
    keep[0] = False
    return np.asarray(keep[names])


def without_border(strokes: Mask) -> Mask:
    """Take away what hangs at a photo's border, the table or a finger, but for lines of drawing."""
    height, width = strokes.shape
    _, names, boxes, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8))
    near = max(2, round(0.012 * max(height, width)))
    x, y, wide, high, area = boxes.T
    at_border = (x < near) | (y < near) | (x + wide > width - near) | (y + high > height - near)
    at_border[0] = False
    inside = ~at_border
    inside[0] = False
    if not at_border.any() or area[inside].sum() < 0.08 * area[1:].sum():
        return strokes
    reach = np.maximum(wide[inside], high[inside]).max(initial=0)
    if reach < 0.1 * max(height, width):
        return strokes
    inside[0] = False
    return np.asarray(inside[names])


def without_captions(strokes: Mask) -> Mask:
    """Take away lines of writing above or below the drawing.

    A line of writing is a band of rows, apart from the rest, low, and made of several pieces beside
    one another.
    """
    kept = strokes
    for _ in range(3):
        bands = _bands(kept)
        if len(bands) < 2:
            return kept
        heights = [stop - start for start, stop in bands]
        main = int(np.argmax(heights))
        for place in {0, len(bands) - 1} - {main}:
            start, stop = bands[place]
            if heights[place] < 0.28 * heights[main] and _is_writing(kept[start:stop]):
                kept = kept.copy()
                kept[start:stop] = False
                break
        else:
            return kept
    return kept


def _bands(strokes: Mask) -> list[tuple[int, int]]:
    """Return rows with ink, from and to, as runs parted by rows without any."""
    rows = np.pad(strokes.any(axis=1), 1).astype(np.int8)
    edges = np.flatnonzero(np.diff(rows))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _is_writing(band: Mask) -> bool:
    high = band.shape[0]
    count, _, boxes, _ = cv2.connectedComponentsWithStats(band.astype(np.uint8))
    if count < 5:
        return False
    heights, widths = boxes[1:, cv2.CC_STAT_HEIGHT], boxes[1:, cv2.CC_STAT_WIDTH]
    letters = (heights > 0.3 * high) & (widths < 3 * high)
    columns = np.flatnonzero(band.any(axis=0))
    return bool(letters.sum() >= 4 and np.ptp(columns) > 2.2 * high)


def skeleton(solid: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the morphological skeleton (Lantuéjoul 1977) of a mask of 0 and 1."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    lines = np.zeros_like(solid)
    while solid.any():
        lines |= solid & ~np.asarray(cv2.morphologyEx(solid, cv2.MORPH_OPEN, cross), np.uint8)
        solid = np.asarray(cv2.erode(solid, cross, borderValue=0), np.uint8)
    return np.asarray(cv2.morphologyEx(lines, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
