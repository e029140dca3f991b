"""Figures of retrieval quality, from embeddings and labels alone."""

from __future__ import annotations

import dataclasses

import torch


@dataclasses.dataclass(frozen=True, slots=True)
class Quality:
    """Mean over drawings; a photo counts as right when it shows the drawing's category."""

    mean_average_precision: float
    hit_at_1: float
    hit_at_5: float

    def __str__(self) -> str:
        return (
            f"mAP {self.mean_average_precision:.3f}  "
            f"hit@1 {self.hit_at_1:.3f}  hit@5 {self.hit_at_5:.3f}"
        )


def retrieval_quality(
    queries: torch.Tensor,
    query_labels: torch.Tensor,
    gallery: torch.Tensor,
    gallery_labels: torch.Tensor,
) -> Quality:
    """Rank the gallery for every query by inner product and score the rankings.

    Embeddings are (n, dim), labels integer (n,). Average precision is over the whole gallery
    (Manning, Raghavan, Schütze 2008, section 8.4). Queries without any right answer do not count.
    """
    order = (queries @ gallery.T).argsort(dim=1, descending=True)
    right = (gallery_labels[order] == query_labels[:, None]).double()
    right = right[right.sum(dim=1) > 0]
    if not len(right):
        raise ValueError("no query has a right answer in the gallery")
    ranks = torch.arange(1, right.shape[1] + 1)
    precision = right.cumsum(dim=1) / ranks
    average = (precision * right).sum(dim=1) / right.sum(dim=1)
    return Quality(
        float(average.mean()),
        float(right[:, 0].mean()),
        float(right[:, :5].amax(dim=1).mean()),
    )
