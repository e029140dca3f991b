"""A drawing as it was sent to its picture and canonical sketch, whether it is live or measured.

What :mod:`retrieval.photos` is for photos. One way only, or what is measured would not be what
members get.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from retrieval import images, sketches
from retrieval.reports import Step


@dataclass(frozen=True, slots=True)
class Drawing:
    """A decoded drawing (RGB or RGBA), the canonical sketch made of it, and what was done to it."""

    image: Image.Image
    sketch: sketches.CanonicalSketch
    steps: tuple[Step, ...]

    def flattened(self) -> Image.Image:
        """Return it as it may be shown, see :func:`flattened`."""
        return flattened(self.image)


def flattened(image: Image.Image) -> Image.Image:
    """Return a drawing as it may be shown: RGB, on black if white chalk would vanish on white."""
    seen_on = sketches.background(image)
    return images.flatten(image, (seen_on, seen_on, seen_on))


def decode(data: bytes) -> Drawing:
    """Decode and canonicalise an untrusted upload.

    Raises:
        ImageError: it is no picture that we read.
        NotADrawingError: nothing is drawn on it, or it is a photo, writing or noise.
    """
    image = images.decode(data)
    sketch, steps = sketches.trace(image, strict=True)
    turned: tuple[Step, ...] = ("turned",) if images.is_turned(data) else ()
    return Drawing(image, sketch, turned + steps)


def read(path: Path) -> Drawing:
    """Read a drawing's file as :func:`decode` does an upload's bytes.

    Raises:
        ImageError, NotADrawingError: as :func:`decode`.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return decode(file.read(images.MAX_BYTES + 1))  # one more tells that it is too large
