"""Edge maps of photos, to stand in for drawings of things that nobody drew for us.

numpy and Pillow only. An edge map is a poor drawing, but there can be one for every photo.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))  # across edges of 0, 45, 90 and 135 degrees


def edge_drawing(photo: Image.Image, blur: float = 2.0, share: float = 0.06) -> Image.Image:
    """Draw the edges of a photo as dark lines on white; mode L, 256 pixels a side.

    `blur` is the Gaussian's sigma in pixels, `share` the share of pixels whose gradient is strong
    enough to start a line. Canny 1986: smooth, thin to ridges, follow strong edges into weak ones.
    """
    grey = photo.convert("L").resize((256, 256), Image.Resampling.BILINEAR)
    pixels = np.asarray(grey.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32)
    down, right = np.gradient(pixels)
    strength = np.hypot(down, right)
    ridge = _ridges(strength, np.arctan2(down, right))
    strong = max(float(np.quantile(strength, 1 - share)), 2.0)
    lines = _followed(ridge & (strength > strong), ridge & (strength > 0.4 * strong))
    image = Image.fromarray(np.where(lines, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.MinFilter(3))


def _ridges(
    strength: npt.NDArray[np.float32], angle: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Keep pixels that are the strongest across their edge."""
    sector = np.round(angle / (np.pi / 4)).astype(int) % 4
    padded = np.pad(strength, 1)
    ridge = np.zeros(strength.shape, bool)
    height, width = strength.shape
    for number, (dy, dx) in enumerate(_STEPS):
        ahead = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        behind = padded[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        ridge |= (sector == number) & (strength >= ahead) & (strength > behind)
    return ridge


def _followed(strong: npt.NDArray[np.bool_], weak: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Grow strong lines along weak ones until nothing is added."""
    lines = strong
    while True:
        wide = np.pad(lines, 1)
        wide = wide[:-2] | wide[1:-1] | wide[2:]
        grown = (wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]) & weak
        if grown.sum() == lines.sum():
            return lines
        lines = grown
