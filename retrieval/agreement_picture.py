"""A drawing and a photo side by side, lit where they agree and dim elsewhere.

Made for phones in Discord's dark mode, and without colours that one must be able to tell apart.
numpy and Pillow; maps come from the encoder, whatever it is.
"""

from __future__ import annotations

from typing import Final, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from retrieval.reports import Place

WIDTH: Final = 1200
_GAP, _MARGIN = 20, 16
_SIDE: Final = (WIDTH - _GAP - 2 * _MARGIN) // 2
_BACKGROUND: Final = "#313338"  # Discord's own
_RIM: Final = (255, 209, 71)
_DIM: Final = 0.28  # of its light that is left to what does not agree
_LIT: Final = 0.5  # of the strongest agreement; from here on it is inside the rim
_RIM_WIDTH: Final = 5  # pixels
_CELLS: Final = 10  # a side; the network's own are no finer
_PLACES: Final[tuple[Place, ...]] = get_args(Place)

Floats = npt.NDArray[np.floating]


def draw(
    drawing: Image.Image, photo: Image.Image, drawing_map: Floats, photo_map: Floats
) -> Image.Image:
    """Return both pictures, each lit where its map (rows, columns) is high. WIDTH pixels wide."""
    panels = [_panel(drawing, drawing_map), _panel(photo, photo_map)]
    height = max(panel.height for panel in panels)
    sheet = Image.new("RGB", (WIDTH, height + 2 * _MARGIN), _BACKGROUND)
    for number, panel in enumerate(panels):
        left = _MARGIN + number * (_SIDE + _GAP) + (_SIDE - panel.width) // 2
        sheet.paste(panel, (left, _MARGIN + (height - panel.height) // 2))
    return sheet


def place(of: Floats) -> Place | None:
    """Say in words where a map is highest; None where nothing agrees."""
    strength = _strength(of)
    if not strength.any():
        return None
    thirds = [np.array_split(rows, 3, axis=1) for rows in np.array_split(strength, 3)]
    return _PLACES[int(np.argmax([[part.sum() for part in row] for row in thirds]))]


def _panel(picture: Image.Image, of: Floats) -> Image.Image:
    scale = _SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS), np.float32)
    fine = Image.fromarray(_strength(of)).resize(size, Image.Resampling.BICUBIC)
    strength = np.asarray(fine).clip(0, 1)
    light = _DIM + (1 - _DIM) * np.minimum(1, strength / _LIT)[..., None]
    panel = Image.fromarray((pixels * light).round().astype(np.uint8))
    inside = Image.fromarray(np.uint8(255) * (strength > _LIT))
    around = inside.filter(ImageFilter.MaxFilter(2 * _RIM_WIDTH + 1))
    panel.paste(_RIM, mask=ImageChops.subtract(around, inside))
    return panel


def _strength(of: Floats) -> npt.NDArray[np.float32]:
    """Bring a map to 0 … 1: what speaks against the match is 0."""
    signed = Image.fromarray(np.asarray(of, np.float32))
    smooth = np.asarray(signed.resize((_CELLS, _CELLS), Image.Resampling.HAMMING))
    return np.asarray(np.maximum(smooth, 0) / max(float(smooth.max()), 1e-9))
