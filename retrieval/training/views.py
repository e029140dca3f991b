"""Varied views of training pictures: the same drawing by another hand, the same photo turned.

Pillow and numpy only; every view is decided by the generator it is given.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from retrieval.sketches import BlankDrawingError, canonicalise


def vary_sketch(sketch: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Redraw a canonical sketch: mirrored, sheared, thicker or thinner, parts rubbed out.

    Returns a canonical sketch again; the original if too little would be left.
    """
    image = ImageOps.mirror(sketch) if rng.random() < 0.5 else sketch
    image = _moved(image, rng)
    image = _rubbed_out(image, rng)
    thickness = rng.random()
    if thickness < 0.3:
        image = image.filter(ImageFilter.MinFilter(3))  # dark ink grows
    elif thickness < 0.4:
        image = image.filter(ImageFilter.MaxFilter(3))  # and shrinks
    try:
        return canonicalise(image)
    except BlankDrawingError:
        return sketch


def _moved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Rotate up to about 12 degrees, stretch and shear up to a seventh, about the centre."""
    angle = rng.normal(0, 0.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    change = turn @ (np.eye(2) + rng.uniform(-0.14, 0.14, (2, 2)))
    centre = np.array(image.size) / 2
    offset = centre - change @ centre
    matrix = (*change[0], offset[0], *change[1], offset[1])
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=255
    )


def _rubbed_out(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Rub out up to three round spots."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 4)):
        x, y = rng.uniform(0.1, 0.9, 2) * image.size
        radius = rng.uniform(0.03, 0.1) * image.width
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return image
