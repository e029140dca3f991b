"""Retrieval figures on rankings small enough to work out by hand."""

from __future__ import annotations

import pytest
import torch

from retrieval.training.metrics import retrieval_quality

GALLERY = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0]])


def test_average_precision_is_the_mean_of_precisions_at_right_photos() -> None:
    # Ranked: wrong, right, wrong, right; precision 1/2 at the second and 2/4 at the fourth.
    quality = retrieval_quality(
        torch.tensor([[1.0, 0.0]]), torch.tensor([7]), GALLERY, torch.tensor([1, 7, 2, 7])
    )
    assert quality.mean_average_precision == pytest.approx(0.5)
    assert quality.hit_at_1 == 0
    assert quality.hit_at_5 == 1


def test_a_perfect_ranking_scores_one() -> None:
    quality = retrieval_quality(
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        torch.tensor([1, 2]),
        GALLERY,
        torch.tensor([1, 1, 1, 2]),
    )
    assert quality == type(quality)(1.0, 1.0, 1.0)


def test_queries_that_nothing_could_answer_do_not_count() -> None:
    queries = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    quality = retrieval_quality(queries, torch.tensor([1, 99]), GALLERY, torch.tensor([1, 2, 2, 2]))
    assert quality.hit_at_1 == 1
    with pytest.raises(ValueError, match="right answer"):
        retrieval_quality(queries, torch.tensor([98, 99]), GALLERY, torch.tensor([1, 2, 2, 2]))
