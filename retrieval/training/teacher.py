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

from retrieval.encoder.network import Branch, TrunkSpec, fold_batch_norm
from retrieval.training.examples import Examples, batches
from retrieval.training.pictures import Pixels
from retrieval.training.weights import pretrained_trunk

# Views of each photo: as it is and mirrored, then a part of it and a part of it mirrored.
VIEWS: Final = 4
_PARTS: Final = 0.4  # share of photos that are seen in part


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
        _keep(stored, {str(n): level for n, level in enumerate(tensors)})
    levels = load_file(stored)
    return [levels[str(n)] for n in range(len(levels))]


def some_views(count: int, mirror: int) -> torch.Tensor:
    """Choose a view (count,) for each of so many photos: more often whole than in part."""
    return mirror + 2 * (torch.rand(count) < _PARTS).long()


def drawn_levels(
    branch: Branch, digest: str, examples: Examples, cache: Path
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return a frozen branch's levels of every drawing and edge map, as they are and mirrored.

    Half (drawings, 2, width) and (photos, kinds, 2, width) a level; `digest` is the checkpoint's.
    """
    key = hashlib.sha256(f"{digest} {examples.drawn_key}".encode()).hexdigest()[:16]
    stored = cache / f"drawn-{key}.safetensors"
    if not stored.exists():
        edges = examples.edges
        if edges is None:
            raise ValueError("these examples were read without edge maps")
        sets = [examples.sketches, *(edges[:, kind] for kind in range(edges.shape[1]))]
        done = [_through(branch, pixels) for pixels in sets]
        traced = [torch.stack(level, dim=1) for level in zip(*done[1:], strict=True)]
        tensors = {f"sketch{n}": level for n, level in enumerate(done[0])}
        _keep(stored, tensors | {f"edge{n}": level for n, level in enumerate(traced)})
    found = load_file(stored)
    count = len(found) // 2
    return [found[f"sketch{n}"] for n in range(count)], [found[f"edge{n}"] for n in range(count)]


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


@torch.inference_mode()
def _through(branch: Branch, pictures: Pixels) -> list[torch.Tensor]:
    """Compute levels of drawings (n, 2, side, side), as they are and mirrored: (n, 2, width)."""
    done: list[list[torch.Tensor]] = []
    rows = range(0, len(pictures), 64)
    for start in track(rows, "Drawings through the trunk", console=Console(stderr=True)):
        pixels = torch.from_numpy(pictures[start : start + 64].copy()).float()
        views = [branch.levels(pixels), branch.levels(pixels.flip(-1))]
        done.append([torch.stack(level, dim=1).half() for level in zip(*views, strict=True)])
    return [torch.cat(level) for level in zip(*done, strict=True)]


def _keep(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    save_file(tensors, part)
    part.replace(file)


def _cut(pixels: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Cut one window of .65 to .9 of the side out of a batch of photos, back to full size."""
    side = pixels.shape[-1]
    share, x, y = torch.rand(3, generator=chance).tolist()
    cut = round(side * (0.65 + 0.25 * share))
    left, top = round(x * (side - cut)), round(y * (side - cut))
    window = pixels[..., top : top + cut, left : left + cut]
    return functional.interpolate(window, size=(side, side), mode="bilinear", antialias=True)
