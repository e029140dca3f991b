"""A photo's file: its picture, as :mod:`retrieval.images` with larger limits, and its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from retrieval import images

# A phone's camera makes 10 to 20 MB and up to 50 megapixels.
MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 64_000_000


def read(path: Path) -> Image.Image:
    """Return a photo as RGB, upright, transparency laid on white.

    Raises:
        ImageError: it is no photo that we read.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise images.ImageError("too_large")
    return images.flatten(images.decode(path.read_bytes(), MAX_PIXELS, MAX_BYTES))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
