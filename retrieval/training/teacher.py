"""What frozen networks say about photos: features and ImageNet predictions, computed once.

Photos are what ImageNet networks already understand; training keeps that and teaches the drawing
branch to meet it. Results lie in the cache, keyed by everything they depend on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from retrieval.encoder.network import TrunkSpec, fold_batch_norm
from retrieval.training.examples import Examples, batches
from retrieval.training.weights import pretrained_trunk

# Views of each photo: as it is and mirrored, then a part of it and a part of it mirrored.
VIEWS: Final = 4


def photo_levels(
    spec: TrunkSpec, examples: Examples, cache: Path, file: Path | None = None
) -> list[torch.Tensor]:
    """Return a frozen trunk's levels for every view of every photo: half (photos, VIEWS, width).

    Even views are not mirrored, odd ones are.
    """
    key = hashlib.sha256(f"{spec} {file} {examples.photo_key}".encode()).hexdigest()[:16]
    stored = cache / f"levels-{key}.safetensors"
    if not stored.exists():
        # A run must not depend on whether this was cached: building a network draws numbers.
        with torch.random.fork_rng(devices=[]):
            trunk = pretrained_trunk(spec, file)
            fold_batch_norm(trunk)
            tensors = _compute(trunk, examples, f"Photos through {spec.backbone}")
        stored.parent.mkdir(parents=True, exist_ok=True)
        part = stored.with_suffix(".part")
        save_file({str(n): level for n, level in enumerate(tensors)}, part)
        part.replace(stored)
    levels = load_file(stored)
    return [levels[str(n)] for n in range(len(levels))]


def predictions(answers: list[tuple[nn.Linear, torch.Tensor]], temperature: float) -> torch.Tensor:
    """Return the networks' mean prediction of ImageNet's classes, softened: (n, classes).

    `answers` are networks' classifiers with their pooled features (n, width). Hinton, Vinyals and
    Dean 2015, "Distilling the knowledge in a neural network".
    """
    with torch.inference_mode():
        logits = [classifier(features.float()) for classifier, features in answers]
    return functional.softmax(torch.stack(logits).mean(dim=0) / temperature, dim=-1)


@torch.inference_mode()
def _compute(trunk: nn.Module, examples: Examples, what: str) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    rows = batches(torch.arange(len(examples.photos)), 16)
    done: list[list[torch.Tensor]] = []
    for some in track(rows, what, console=Console(stderr=True)):
        pixels = examples.photo_pixels(some).float()
        part = _cut(pixels, chance)
        views = [pixels, pixels.flip(-1), part, _cut(pixels, chance).flip(-1)]
        per_view = [trunk(view.contiguous(memory_format=torch.channels_last)) for view in views]
        done.append([torch.stack(level, dim=1).half() for level in zip(*per_view, strict=True)])
    return [torch.cat(level) for level in zip(*done, strict=True)]


def _cut(pixels: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Cut one window of .65 to .9 of the side out of a batch of photos, back to full size."""
    side = pixels.shape[-1]
    share, x, y = torch.rand(3, generator=chance).tolist()
    cut = round(side * (0.65 + 0.25 * share))
    left, top = round(x * (side - cut)), round(y * (side - cut))
    window = pixels[..., top : top + cut, left : left + cut]
    return functional.interpolate(window, size=(side, side), mode="bilinear", antialias=True)
