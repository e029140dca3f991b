"""Cut out the page: a sheet of paper in a photo, the canvas in a screenshot.

Pixels are float32 arrays (height, width, 3), 0 to 255.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bytes = npt.NDArray[np.uint8]

_LEAST: Final = 0.12  # share of the picture that a sheet or canvas fills
_SAME: Final = 6  # grey levels within which a canvas is of one tone
_STEP: Final = 14.0  # grey levels between a sheet and what it lies on
_TRIM: Final = 0.015  # share of a sheet cut off at its edges


def cropped_to_canvas(pixels: Floats, paper: Floats) -> Floats:
    """Cut away an app's bars around the canvas; `paper` (3,) is the canvas's tone.

    A side is cut only where what is cut off is mostly of another tone than the canvas: a frame that
    somebody drew has paper on both sides.
    """
    height, width = pixels.shape[:2]
    same = (np.abs(pixels - paper).max(axis=-1) <= _SAME).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(same, connectivity=4)
    if len(boxes) < 2:
        return pixels
    x, y, wide, high, area = boxes[1 + int(boxes[1:, cv2.CC_STAT_AREA].argmax())]
    if area < _LEAST * same.size or area < 0.5 * wide * high:
        return pixels
    top, bottom, left, right = y, y + high, x, x + wide
    level = same[top, left:right], same[bottom - 1, left:right]
    upright = same[top:bottom, left], same[top:bottom, right - 1]
    if min(float(edge.mean()) for edge in (*level, *upright)) < 0.6:
        return pixels  # not a rectangle
    strips = same[:top], same[bottom:], same[:, :left], same[:, right:]
    keep = [not strip.size or float(strip.mean()) > 0.5 for strip in strips]
    # A line drawn along the border, or the border of a scan, is no bar.
    top, bottom = (0 if keep[0] else top), (height if keep[1] else bottom)
    left, right = (0 if keep[2] else left), (width if keep[3] else right)
    return pixels[top:bottom, left:right]


def rectified(pixels: Floats) -> Floats | None:
    """Return the sheet of paper in a photo, seen from above, or None where no edges are found."""
    small = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.5), np.float32)
    best, most = None, 0.0
    for mask in _masks(small):
        for corners in _quads(mask):
            worth = _worth(small, corners)
            if worth > most:
                best, most = corners, worth
    return None if best is None else _flattened(pixels, best)


def _masks(pixels: Floats) -> Iterator[Bytes]:
    """Yield regions that may be a sheet: what is light, what is colourless, what is smooth."""
    image = pixels.clip(0, 255).astype(np.uint8)
    light = image.max(axis=-1)
    saturation = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1])
    flag = cv2.THRESH_BINARY + cv2.THRESH_OTSU
    yield np.asarray(cv2.threshold(light, 0, 1, flag)[1], np.uint8)
    yield np.asarray(1 - cv2.threshold(saturation, 0, 1, flag)[1], np.uint8)
    edges = cv2.Canny(light, 25, 75)
    yield (cv2.dilate(edges, np.ones((3, 3), np.uint8)) == 0).astype(np.uint8)
    edges = cv2.Canny(light, 12, 36)
    yield (cv2.dilate(edges, np.ones((5, 5), np.uint8)) == 0).astype(np.uint8)


def _quads(mask: Bytes) -> Iterator[Floats]:
    """Yield the corners (4, 2) of regions whose hull has four, as far as they are large."""
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        hull = cv2.convexHull(contour)
        area = cv2.contourArea(hull)
        if area < _LEAST * mask.size:
            continue
        for tolerance in (0.02, 0.04, 0.06):
            corners = cv2.approxPolyDP(hull, tolerance * cv2.arcLength(hull, True), True)
            if len(corners) == 4 and cv2.contourArea(corners) > 0.85 * area:
                yield _in_order(corners.reshape(4, 2).astype(np.float32))
                break


def _in_order(corners: Floats) -> Floats:
    """Order corners: top left, top right, bottom right, bottom left."""
    middle = corners.mean(axis=0)
    angles = np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0])
    corners = corners[np.argsort(angles)]
    return np.roll(corners, -int(corners.sum(axis=1).argmin()), axis=0)


def _worth(pixels: Floats, corners: Floats) -> float:
    """Say how much a quadrilateral is a sheet: its share of the picture, or 0.

    The tone steps at a sheet's edges. It does not at those of a rectangle drawn on paper, which has
    the same paper on both sides, nor at the picture's own border, which does not count.
    """
    height, width = pixels.shape[:2]
    far = 0.02 * max(height, width)
    middle, counted, good = corners.mean(axis=0), 0, 0
    lighter = []
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = np.linspace(0.08, 0.92, 40, dtype=np.float32)[:, None]
        points = one + along * (other - one)
        normal = np.array([other[1] - one[1], one[0] - other[0]], np.float32)
        normal /= max(float(np.linalg.norm(normal)), 1e-6)
        normal *= np.sign(float(normal @ (points.mean(axis=0) - middle))) or 1.0
        outside = points + far * normal
        visible = (
            (outside >= 1).all(axis=1) & (outside[:, 0] < width - 1) & (outside[:, 1] < height - 1)
        )
        if visible.mean() < 0.4:
            continue
        counted += 1
        beyond = _at(pixels, outside[visible])
        within = _at(pixels, (points - far * normal)[visible])
        steps = np.abs(within - beyond).max(axis=-1)
        good += bool(np.percentile(steps, 30) > _STEP)
        lighter.append(float(np.median(within.mean(axis=-1) - beyond.mean(axis=-1))))
    if counted < 2 or good < counted or np.mean(lighter) < 0:
        return 0.0
    return float(cv2.contourArea(corners)) / float(height * width)


def _at(pixels: Floats, points: Floats) -> Floats:
    columns, rows = points.round().astype(int).T
    rows, columns = rows.clip(0, pixels.shape[0] - 1), columns.clip(0, pixels.shape[1] - 1)
    return np.asarray(pixels[rows, columns])


def _flattened(pixels: Floats, corners: Floats) -> Floats:
    """See a sheet from above, without the last bit of its edges."""

    def length(one: int, other: int) -> float:
        return float(np.linalg.norm(corners[one] - corners[other]))

    width = round(max(length(0, 1), length(3, 2)))
    height = round(max(length(0, 3), length(1, 2)))
    trim = max(3, round(_TRIM * max(width, height)))
    onto = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32) - trim
    matrix = cv2.getPerspectiveTransform(corners, onto)
    size = max(8, width - 2 * trim), max(8, height - 2 * trim)
    return np.asarray(cv2.warpPerspective(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE))
