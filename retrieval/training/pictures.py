"""Decoded pictures of a data set, kept on disk between runs.

Training reads every picture many times; decoding and canonicalising it once is enough. What lies
here is what serving would hand to the encoder, before it is varied: canonical sketches, framed
photos, and the edge maps that stand in for drawings of photos that nobody drew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from PIL import Image
from rich.console import Console
from rich.progress import track

from retrieval import photos
from retrieval.encoder import preprocessing
from retrieval.images import decode
from retrieval.sketches import (
    CANONICAL_VERSION,
    SKETCH_SIZE,
    BlankDrawingError,
    CanonicalSketch,
    canonicalise,
)
from retrieval.training.data import Picture
from retrieval.training.edges import edge_drawing

EDGE_KINDS: Final = ((1.6, 0.07), (2.4, 0.05))  # fine and coarse: blur, share of strong pixels

Pixels = npt.NDArray[np.uint8]


def sketches(pictures: Sequence[Picture], cache: Path) -> Pixels:
    """Read drawings as canonical sketches: uint8 (n, 2, 256, 256), mapped from disk.

    A drawing with nothing on it is a white page. Raises ImageError, with the file's name as a note,
    for one that cannot be read.
    """
    shape = (2, SKETCH_SIZE, SKETCH_SIZE)
    return _kept(pictures, _sketch, shape, cache, f"sketches{CANONICAL_VERSION}")


def photographs(pictures: Sequence[Picture], side: int, cache: Path) -> Pixels:
    """Read photos as the encoder is given them: uint8 (n, 3, side, side)."""
    version = f"photos{preprocessing.PHOTO_VERSION}"
    return _kept(pictures, functools.partial(_photo, side), (3, side, side), cache, version)


def edge_maps(pictures: Sequence[Picture], cache: Path) -> Pixels:
    """Draw the edges of photos: uint8 (n, kinds, 2, 256, 256), one of each kind."""
    shape = (len(EDGE_KINDS), 2, SKETCH_SIZE, SKETCH_SIZE)
    return _kept(pictures, _edges, shape, cache, f"edges{CANONICAL_VERSION} {EDGE_KINDS}")


def _sketch(path: Path) -> Pixels:
    return _canonical(decode(path.read_bytes()))


def _photo(side: int, path: Path) -> Pixels:
    pixels: Pixels = preprocessing.prepare_photo(photos.read(path), side).numpy()
    return pixels


def _edges(path: Path) -> Pixels:
    photo = photos.read(path)
    drawn = [edge_drawing(photo, blur, share) for blur, share in EDGE_KINDS]
    return np.stack([_canonical(edges) for edges in drawn])


def _canonical(image: Image.Image) -> Pixels:
    blank = Image.new("L", (SKETCH_SIZE, SKETCH_SIZE), 255)
    sketch = CanonicalSketch(blank, blank)
    with contextlib.suppress(BlankDrawingError):
        sketch = canonicalise(image)
    return np.stack([np.asarray(part, dtype=np.uint8) for part in sketch])


def _kept(
    pictures: Sequence[Picture],
    read: Callable[[Path], Pixels],
    shape: tuple[int, ...],
    cache: Path,
    version: str,
) -> Pixels:
    """Compute once, then map from `cache`; keyed by the version and every file's name and size."""
    key = hashlib.sha256(f"{version} {shape}".encode())
    for picture in pictures:
        key.update(f"{picture.path}\0{picture.path.stat().st_size}\0".encode())
    file = cache / f"{version.split(maxsplit=1)[0]}-{key.hexdigest()[:16]}.npy"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            _compute(pictures, read, shape, file)
    pixels: Pixels = np.load(file, mmap_mode="r")
    return pixels


def _compute(
    pictures: Sequence[Picture], read: Callable[[Path], Pixels], shape: tuple[int, ...], file: Path
) -> None:
    part = file.with_suffix(".part")
    rows: Any = np.lib.format.open_memmap(
        part, mode="w+", dtype=np.uint8, shape=(len(pictures), *shape)
    )

    def one(number: int) -> None:
        try:
            rows[number] = read(pictures[number].path)
        except Exception as error:
            error.add_note(f"while reading {pictures[number].path}")
            raise

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(one, range(len(pictures)))
        what = f"Reading {file.name.split('-', maxsplit=1)[0]}"
        for _ in track(done, what, total=len(pictures), console=Console(stderr=True)):
            pass
    rows.flush()
    part.replace(file)  # a run that is killed leaves only a .part
