"""Frozen features: what the untouched backbone says about every view of every picture.

The backbone does not change in this recipe, so its features are computed once and kept on disk,
keyed by everything they depend on.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import ImageOps
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import nn

from retrieval.encoder import preprocessing
from retrieval.encoder.network import fold_batch_norm
from retrieval.images import decode, flatten
from retrieval.sketches import BlankDrawingError, canonicalise
from retrieval.training.data import Picture
from retrieval.training.edges import edge_drawing
from retrieval.training.views import vary_sketch

Views = Callable[[Path], list[torch.Tensor]]


def sketch_views(varied: int, size: int) -> Views:
    """Return a function that reads a drawing: the canonical sketch, then `varied` others."""

    def views(path: Path) -> list[torch.Tensor]:
        sketch = canonicalise(decode(path.read_bytes()))
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:8]))
        drawn = [sketch, *(vary_sketch(sketch, rng) for _ in range(varied))]
        return [preprocessing.prepare_sketch(image, size) for image in drawn]

    return views


def photo_views(size: int) -> Views:
    """Return a function that reads a photo: as it is, then mirrored."""

    def views(path: Path) -> list[torch.Tensor]:
        photo = flatten(decode(path.read_bytes()))
        return [
            preprocessing.prepare_photo(image, size) for image in (photo, ImageOps.mirror(photo))
        ]

    return views


def edge_views(size: int) -> Views:
    """Return a function that reads a photo and draws its edges, finely and coarsely."""

    def views(path: Path) -> list[torch.Tensor]:
        photo = flatten(decode(path.read_bytes()))
        drawn = []
        for blur, share in ((2.0, 0.06), (3.0, 0.05)):
            sketch = edge_drawing(photo, blur, share)
            with contextlib.suppress(BlankDrawingError):  # a photo of fog: white paper will do
                sketch = canonicalise(sketch)
            drawn.append(preprocessing.prepare_sketch(sketch, size))
        return drawn

    return views


def frozen_features(
    backbone: nn.Module,
    pictures: Sequence[Picture],
    views: Views,
    cache: Path,
    key: str,
) -> torch.Tensor:
    """Compute or read features: float32 (pictures, views, width).

    `key` names the backbone and the views; the file list is added to it.
    """
    names = "\n".join(f"{picture.category}/{picture.path.name}" for picture in pictures)
    digest = hashlib.sha256(f"{key}\n{names}".encode()).hexdigest()[:24]
    file = cache / f"{digest}.safetensors"
    if file.exists():
        return load_file(file)["features"].float()
    backbone = backbone.eval().to(memory_format=torch.channels_last)
    fold_batch_norm(backbone)
    rows = []
    with torch.inference_mode():
        for picture in track(pictures, description=key):
            pixels = preprocessing.scaled(torch.stack(views(picture.path)))
            rows.append(backbone(pixels.to(memory_format=torch.channels_last)).half())
    features = torch.stack(rows)
    cache.mkdir(parents=True, exist_ok=True)
    save_file({"features": features}, file)
    return features.float()
