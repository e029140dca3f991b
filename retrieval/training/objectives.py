"""Losses that bring drawings and photos of the same thing together. Tensors only."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class CosineClassifier(nn.Module):
    """Classify unit vectors by their cosine to one learned direction a category.

    Scale and smoothing keep a frozen backbone's few examples from being learnt by heart
    (Wang et al. 2018, "CosFace", eq. 1 without margin; Szegedy et al. 2016, section 7).
    """

    def __init__(
        self, dim: int, categories: int, scale: float = 16.0, smoothing: float = 0.1
    ) -> None:
        super().__init__()
        self.directions = nn.Parameter(functional.normalize(torch.randn(categories, dim), dim=-1))
        self.scale = scale
        self.smoothing = smoothing

    def forward(self, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean cross entropy of unit rows (n, dim) with labels (n,)."""
        logits = self.scale * rows @ functional.normalize(self.directions, dim=-1).T
        return functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)


def cross_domain_contrast(
    sketches: torch.Tensor,
    photos: torch.Tensor,
    same: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Contrast every drawing with all photos, and every photo with all drawings.

    `same` (n, m) says which pairs belong together; rows without any do not count. Supervised
    contrastive loss, the sum outside the logarithm (Khosla et al. 2020, eq. 2), across domains.
    """
    logits = sketches @ photos.T / temperature
    return 0.5 * (_contrast(logits, same) + _contrast(logits.T, same.T))


def _contrast(logits: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    counted = same.any(dim=1)
    if not bool(counted.any()):
        return logits.sum() * 0
    chances = functional.log_softmax(logits[counted], dim=1)
    right = same[counted].to(chances.dtype)
    return -((chances * right).sum(dim=1) / right.sum(dim=1)).mean()
