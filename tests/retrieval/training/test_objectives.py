"""Losses are low when the right things are near, and count only what they should."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from retrieval.training.objectives import (
    CosineClassifier,
    contrast,
    contrastive,
    cross_domain_contrast,
    triplet,
)

ROWS = torch.eye(4)


def test_contrast_is_low_for_matching_pairs_and_high_for_crossed_ones() -> None:
    same = torch.eye(4, dtype=torch.bool)
    matching = cross_domain_contrast(ROWS, ROWS, same, 0.1)
    crossed = cross_domain_contrast(ROWS, ROWS.roll(1, dims=0), same, 0.1)
    assert matching < 0.01
    assert crossed > 5


def test_contrast_equals_cross_entropy_when_each_has_one_partner() -> None:
    torch.manual_seed(0)
    a, b = (functional.normalize(torch.randn(5, 3), dim=-1) for _ in range(2))
    logits = a @ b.T / 0.2
    target = torch.arange(5)
    expected = (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2
    found = cross_domain_contrast(a, b, torch.eye(5, dtype=torch.bool), 0.2)
    torch.testing.assert_close(found, expected)


def test_rows_without_a_partner_do_not_count() -> None:
    same = torch.zeros(4, 4, dtype=torch.bool)
    assert cross_domain_contrast(ROWS, ROWS, same, 0.1) == 0
    same[0, 0] = True
    assert cross_domain_contrast(ROWS, ROWS, same, 0.1) < 0.01


def test_a_cosine_classifier_ignores_the_length_of_its_directions() -> None:
    torch.manual_seed(0)
    classifier = CosineClassifier(4, 6)
    labels = torch.tensor([0, 1, 2, 3])
    before = classifier(ROWS, labels)
    classifier.directions.data *= 7
    torch.testing.assert_close(classifier(ROWS, labels), before)
    classifier.directions.data[:4] = ROWS
    assert classifier(ROWS, labels) < before


def test_contrastive_by_hand() -> None:
    """Matching pairs pay half the squared distance, others half the squared lack of a margin."""
    ones = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    others = torch.tensor([[0.0, 1.0], [0.8, 0.6], [-1.0, 0.0]])
    # squared distances 2, .04 + .36 = .4, and 4; the second is no match: (1 - sqrt .4)^2 = .1351
    found = contrastive(ones, others, torch.tensor([True, False, False]))
    assert float(found) == pytest.approx((2 + 0.13509 + 0) / 2 / 3, abs=1e-4)


def test_contrastive_has_a_gradient_where_two_rows_are_equal() -> None:
    rows = torch.ones(2, 3, requires_grad=True)
    contrastive(rows, torch.ones(2, 3), torch.tensor([True, False])).backward()
    assert rows.grad is not None
    assert bool(rows.grad.isfinite().all())


def test_triplet_by_hand() -> None:
    anchors = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    near = torch.tensor([[0.8, 0.6], [0.8, 0.6]])  # at a squared distance of .4
    far = torch.tensor([[0.0, 1.0], [0.96, 0.28]])  # of 2, and of .0016 + .0784 = .08
    # the first is far enough by .2; the second pays .2 + .4 - .08
    assert float(triplet(anchors, near, far)) == pytest.approx(0.52 / 2)


def test_what_is_ruled_out_is_no_choice() -> None:
    """Columns of minus infinity leave the choice among the others, and no gradient of nothing."""
    logits = torch.tensor([[1.0, 2.0, 5.0], [0.0, 0.0, 0.0]], requires_grad=True)
    ruled = logits.masked_fill(torch.tensor([[False, False, True], [False] * 3]), -torch.inf)
    same = torch.tensor([[True, False, False], [False, False, False]])
    loss = contrast(ruled, same)
    torch.testing.assert_close(loss, torch.tensor(1.0).exp().add(1).log())  # log(1 + e^(2-1))
    loss.backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
    assert float(logits.grad[0, 2]) == 0
