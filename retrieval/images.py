"""Bytes from strangers to pictures, and pictures back to bytes.

Hostile input is assumed: this is the only module that decodes images, and it checks the size in the
header before a single pixel is unpacked. No torch, no Discord, no files and no network in here.
"""

from __future__ import annotations

import io
import warnings
from typing import Final, Literal

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

Reason = Literal["not_an_image", "animated", "too_large", "damaged", "empty"]

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_PIXELS: Final = 32_000_000
MAX_SIDE: Final = 16_384
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

# A file that starts like one of ours and still does not open was cut off, not mistaken.
_SIGNATURES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")

_SENTENCES: Final[dict[Reason, str]] = {
    "not_an_image": "This is no picture that I can read; PNG, JPEG, WEBP, GIF, BMP and TIFF work.",
    "animated": "This picture moves or has several pages; I need a single still picture.",
    "too_large": "This picture is too large.",
    "damaged": "This picture is damaged or incomplete.",
    "empty": "This file is empty.",
}

# Ours is the stricter limit; Pillow's own is a second lock and must not be a mere warning.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class ImageError(ValueError):
    """Say why bytes could not become a picture: `reason` for programs, `str()` for people."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_SENTENCES[reason])
        self.reason: Reason = reason


def decode(data: bytes, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> Image.Image:
    """Decode untrusted bytes into a loaded RGB or RGBA picture, upright, without metadata.

    Alpha is kept where the file has any. 16-bit, CMYK, palette and 1-bit files are brought to 8
    bits a channel. Raises ImageError with the reason.
    """
    if not data:
        raise ImageError("empty")
    if len(data) > max_bytes:
        raise ImageError("too_large")
    image = _open(data)
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > max_pixels:
        raise ImageError("too_large")
    try:
        # Phones append a depth map or preview to JPEGs (MPO): still one picture, the first.
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise ImageError("animated")
        image.load()
        picture = _to_eight_bits(_upright(image))
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever they like on hostile bytes
        raise ImageError("damaged") from error
    picture.info = {}
    return picture


def is_turned(data: bytes) -> bool:
    """Say whether a picture that :func:`decode` takes lay on its side or back, by its EXIF."""
    try:
        return int(_open(data).getexif().get(ExifTags.Base.Orientation, 1)) in range(2, 9)
    except Exception:  # as in _upright
        return False


def flatten(image: Image.Image, background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Lay a picture on a plain background; returns mode RGB."""
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    canvas = Image.new("RGBA", image.size, (*background, 255))
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")


def encode_jpeg(image: Image.Image, max_side: int, quality: int = 85) -> bytes:
    """Encode as JPEG on white, shrunk (never enlarged) to `max_side` pixels, without metadata."""
    buffer = io.BytesIO()
    _shrunk(flatten(image), max_side).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def encode_png(image: Image.Image, max_side: int) -> bytes:
    """Encode as PNG, shrunk (never enlarged) to `max_side` pixels, alpha kept, no metadata."""
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode in ("1", "L") else "RGB"
    buffer = io.BytesIO()
    _shrunk(image.convert(mode), max_side).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _open(data: bytes) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("too_large") from error
    except UnidentifiedImageError as error:
        known = data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        raise ImageError("damaged" if known else "not_an_image") from error
    except Exception as error:  # parsers of headers too
        raise ImageError("damaged") from error


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; unreadable EXIF is no reason to refuse the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is a whole TIFF parser fed by strangers
        return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB or RGBA; Pillow itself clips 16-bit values instead of scaling."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        top = float(values.max(initial=0))
        scale = 255 / (1 if top <= 1 else 255 if top <= 255 else 65_535 if top <= 65_535 else top)
        if image.mode.startswith("I;16"):
            scale = 255 / 65_535
        image = Image.fromarray((values * scale).clip(0, 255).round().astype(np.uint8))
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _shrunk(image: Image.Image, max_side: int) -> Image.Image:
    copy = image.copy()
    copy.info = {}
    copy.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return copy
