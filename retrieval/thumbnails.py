"""Bounded JPEG copies of photos, by SHA-256: what a result card shows.

The bot uploads these bytes, so a member never receives an original with its metadata.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from PIL import Image

from retrieval import images, photos
from retrieval.home import Home

# Wide enough to enjoy on a phone, small enough that five of them go up in a moment.
SIDE = 720


def keep(home: Home, photo_id: str, image: Image.Image) -> None:
    """Make the thumbnail of a photo, unless there is one."""
    target = _path(home, photo_id)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two threads may be making the same one.
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    temporary.write_bytes(images.encode_jpeg(image, SIDE))
    temporary.replace(target)


def read(home: Home, photo_id: str, original: Path | None) -> bytes:
    """Return a photo's thumbnail, made again from the original if it was cleared away.

    Raises:
        OSError, ImageError: neither is there.
    """
    try:
        return _path(home, photo_id).read_bytes()
    except FileNotFoundError:
        # The file may have been replaced since it was indexed: then it is another photo.
        if original is None or photos.sha256(original) != photo_id:
            raise
    keep(home, photo_id, photos.read(original))
    return _path(home, photo_id).read_bytes()


def forget(home: Home, photo_id: str) -> None:
    """Delete a photo's thumbnail."""
    _path(home, photo_id).unlink(missing_ok=True)


def _path(home: Home, photo_id: str) -> Path:
    return home.thumbnails / photo_id[:2] / f"{photo_id}.jpg"
