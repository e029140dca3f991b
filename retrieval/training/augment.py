"""Varied views of sketches: the same drawing by another hand. Tensors only, on any device.

Everything random is drawn from torch's default generator of the CPU, so that a seeded run repeats.
"""

from __future__ import annotations

import torch
from torch.nn import functional

# Each range was set by looking at what still reads as the same thing, not tuned.
_TURN = 0.12  # standard deviation, radians
_STRETCH = 0.15  # of the affine map's entries, either way
_SCALE = 0.1
_SHIFT = 0.06  # of half the side
_WARP = 0.06  # of half the side, smoothly varying
_SPOTS = 3  # rubbed out, each present half of the time


def vary_sketches(sketches: torch.Tensor, size: int, mirror: bool) -> torch.Tensor:
    """Redraw canonical sketches: turned, sheared, warped, thicker or thinner, rubbed out, paler.

    Takes uint8 (n, 2, side, side), subject and page, dark on light, and does the same to both;
    returns float (n, 2, size, size) in 0 … 255. Mirroring is for the caller to decide, because a
    sketch's own photo must then be mirrored too.
    """
    ink = 255.0 - sketches.float()
    if mirror:
        ink = ink.flip(-1)
    ink = _thickness(ink)
    if ink.shape[-1] > size:
        ink = functional.interpolate(ink, size=(size, size), mode="bilinear", antialias=True)
    ink = functional.grid_sample(
        ink, _grid(len(ink), size).to(ink.device), mode="bilinear", align_corners=False
    )
    ink = _rubbed_out(ink)
    pale = torch.where(torch.rand(len(ink)) < 0.3, 1 - 0.4 * torch.rand(len(ink)), torch.ones(1))
    return 255.0 - ink * pale.to(ink.device)[:, None, None, None]


def _grid(count: int, size: int) -> torch.Tensor:
    """Sampling positions (count, size, size, 2) of a small affine map and a smooth warp."""
    angle = torch.randn(count) * _TURN
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(-1, 2, 2)
    stretch = torch.eye(2) + _uniform(_STRETCH, count, 2, 2)
    affine = turn @ stretch * (1 + _uniform(_SCALE, count, 1, 1))
    shift = _uniform(_SHIFT, count, 2, 1)
    grid = functional.affine_grid(
        torch.cat([affine, shift], -1), [count, 1, size, size], align_corners=False
    )
    warp = functional.interpolate(
        _uniform(_WARP, count, 2, 4, 4), size=(size, size), mode="bicubic", align_corners=True
    )
    return grid + warp.permute(0, 2, 3, 1)


def _thickness(ink: torch.Tensor) -> torch.Tensor:
    chance = torch.rand(len(ink)).to(ink.device)
    thick, thin = chance < 0.3, chance > 0.9
    ink[thick] = functional.max_pool2d(ink[thick], 3, 1, 1)
    ink[thin] = 0.3 * ink[thin] - 0.7 * functional.max_pool2d(-ink[thin], 3, 1, 1)
    return ink


def _rubbed_out(ink: torch.Tensor) -> torch.Tensor:
    place = torch.linspace(0, 1, ink.shape[-1], device=ink.device)
    for _ in range(_SPOTS):
        centre = (0.1 + 0.8 * torch.rand(len(ink), 2, 1, 1)).to(ink.device)
        radius = (0.03 + 0.07 * torch.rand(len(ink), 1, 1)) * (torch.rand(len(ink), 1, 1) < 0.5)
        away = (place[:, None] - centre[:, 0]) ** 2 + (place - centre[:, 1]) ** 2
        ink = ink * (away > radius.to(ink.device) ** 2)[:, None]
    return ink


def _uniform(reach: float, *shape: int) -> torch.Tensor:
    return (torch.rand(shape) * 2 - 1) * reach
