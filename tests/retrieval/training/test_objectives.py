"""Losses are low when the right things are near, and count only what they should."""

from __future__ import annotations

import torch
from torch.nn import functional

from retrieval.training.objectives import CosineClassifier, cross_domain_contrast

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
