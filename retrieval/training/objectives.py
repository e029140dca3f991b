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
    return 0.5 * (contrast(logits, same) + contrast(logits.T, same.T))


def contrast(logits: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Ask each row of logits (n, m) for the columns that `same` marks, if it has any.

    A logit of minus infinity takes its column out of a row's choice.
    """
    counted = same.any(dim=1)
    if not bool(counted.any()):
        return logits.new_zeros(())
    chances = functional.log_softmax(logits[counted], dim=1)
    right = same[counted]
    # Where nothing is asked, minus infinity times nought would be no number.
    return -(chances.masked_fill(~right, 0).sum(dim=1) / right.sum(dim=1)).mean()


def contrastive(sketches: torch.Tensor, photos: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Draw matching pairs together, push others apart up to a margin of 1.

    Unit rows (n, dim), pair by pair; `same` (n,) says which match. Hadsell, Chopra and LeCun 2006,
    "Dimensionality reduction by learning an invariant mapping", equation 4.
    """
    distance = _distance(sketches, photos)
    apart = functional.relu(1.0 - distance) ** 2
    return 0.5 * torch.where(same, distance**2, apart).mean()


def triplet(
    anchors: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor, margin: float = 0.2
) -> torch.Tensor:
    """Ask that the positive be nearer than the negative by a margin of squared distance.

    Unit rows (n, dim). Wang et al. 2014, "Learning fine-grained image similarity with deep
    ranking", equation 5; the ranking loss of Sangkloy et al. 2016 is the same hinge.
    """
    near = (anchors - positives).pow(2).sum(dim=1)
    far = (anchors - negatives).pow(2).sum(dim=1)
    return functional.relu(margin + near - far).mean()


def _distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    # The gradient of a root at zero is infinite; two equal rows happen.
    return ((one - other).pow(2).sum(dim=1) + 1e-12).sqrt()
