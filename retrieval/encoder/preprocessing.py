"""Pictures to the pixels that the network sees.

A canonical sketch or a photo goes in, a square uint8 tensor comes out; scaling of values is the
network's own affair. No weights and no decoding of files in here. Whatever
changes these pixels must raise PHOTO_VERSION (or CANONICAL_VERSION in retrieval.sketches), because
cached embeddings are keyed by them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from PIL import Image

from retrieval.sketches import CANONICAL_VERSION, INK_SHARE, CanonicalSketch

PHOTO_VERSION: Final = 1

_LOOKED_AT: Final = 256  # pixels of the longer side that the border is judged by
_PLAIN_BORDER: Final = 12  # grey levels within which a border counts as a plain background


def version(sketch_size: int, photo_size: int) -> str:
    """Name the pixels that reach the network: part of every embedding's cache key."""
    return f"sketch{CANONICAL_VERSION}-{sketch_size}px-photo{PHOTO_VERSION}-{photo_size}px"


def prepare_sketch(sketch: CanonicalSketch, size: int) -> torch.Tensor:
    """Resize a canonical sketch; returns uint8 (2, size, size), the subject and the page."""
    resized = [part.resize((size, size), Image.Resampling.BILINEAR) for part in sketch]
    return torch.from_numpy(np.stack([np.asarray(part) for part in resized]))


def prepare_photo(image: Image.Image, size: int) -> torch.Tensor:
    """Resize a photo; returns uint8 (3, size, size).

    A cut-out on a plain background is framed as a canonical sketch is: cropped to the object,
    centred, proportions kept. Any other photo is squeezed to a square whole, as the photos of the
    Sketchy Database were.
    """
    image = framed(image if image.mode == "RGB" else image.convert("RGB"))
    return _tensor(image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0))


def _tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def framed(image: Image.Image) -> Image.Image:
    """Return a photo (RGB); one with a plain border is cropped to the object, in a square."""
    share = min(1.0, _LOOKED_AT / max(image.size))
    size = (max(1, round(share * image.width)), max(1, round(share * image.height)))
    small = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    pixels = np.asarray(small, dtype=np.int16)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    tone = np.median(border, axis=0)
    if np.percentile(np.abs(border - tone).max(axis=-1), 80) > _PLAIN_BORDER:
        return image
    object_ = np.abs(pixels - tone).max(axis=-1) > 2 * _PLAIN_BORDER
    if object_.sum() < 16:
        return image
    rows, columns = np.flatnonzero(object_.any(axis=1)), np.flatnonzero(object_.any(axis=0))
    ratio = image.width / small.width, image.height / small.height
    box = (
        int(columns[0] * ratio[0]),
        int(rows[0] * ratio[1]),
        min(image.width, int((columns[-1] + 1) * ratio[0])),
        min(image.height, int((rows[-1] + 1) * ratio[1])),
    )
    cut = image.crop(box)
    cut.thumbnail((512, 512), Image.Resampling.BILINEAR, reducing_gap=3.0)
    side = round(max(cut.size) / INK_SHARE)
    red, green, blue = (int(value) for value in tone)
    canvas = Image.new("RGB", (side, side), (red, green, blue))
    canvas.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return canvas
