"""A confidence is a probability that belongs to one encoder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval import confidence
from retrieval.encoder import SHIPPED_DIGEST, shipped
from retrieval.evaluation import calibration


def test_the_shipped_encoder_has_a_calibration_and_no_other_encoder_uses_it() -> None:
    path = confidence.beside(shipped())
    assert confidence.load(path, SHIPPED_DIGEST) is not None
    assert confidence.load(path, "0" * 64) is None
    assert confidence.load(path.with_name("gone.json"), SHIPPED_DIGEST) is None


def test_words_follow_the_probability() -> None:
    assert [confidence.level(p) for p in (0.95, 0.8, 0.79, 0.4, 0.39)] == [
        "sure",
        "sure",
        "guess",
        "guess",
        "lost",
    ]


def test_the_error_is_nought_for_kept_promises_and_large_for_broken_ones() -> None:
    chance = np.random.default_rng(0)
    said = chance.uniform(0, 1, 20_000)
    kept = calibration.reliability(said, chance.random(20_000) < said)
    assert kept.error < 0.02
    assert sum(count for count, _, _ in kept.bins) == kept.searches == 20_000
    broken = calibration.reliability(np.full(100, 0.9), np.arange(100) < 40)
    assert broken.error == pytest.approx(0.5)


def test_a_fit_finds_what_decides() -> None:
    chance = np.random.default_rng(1)
    figures = chance.normal(0, 1, (4000, 8))
    right = chance.random(4000) < 1 / (1 + np.exp(-2 * figures[:, 0]))
    fitted = calibration.fit(
        calibration.Searches(figures, right, np.full(4000, "cat")), SHIPPED_DIGEST
    )
    assert calibration.reliability(fitted.probability(figures), right).error < 0.03
    assert fitted.weights[0] > 5 * max(map(abs, fitted.weights[1:8]))


def test_cross_validation_tells_of_a_category_what_others_taught() -> None:
    chance = np.random.default_rng(2)
    parts = {}
    for name in ("clean", "random"):
        figures = chance.normal(0, 1, (500, 8))
        right = chance.random(500) < 1 / (1 + np.exp(-2 * figures[:, 0]))
        categories = chance.choice(["ant", "bee", "cat", "dog", "eel", "fox"], 500)
        parts[name] = calibration.Searches(figures, right, categories)
    before = calibration.cross_validated(parts)
    clean = parts["clean"]
    ants = clean.categories == "ant"
    parts["clean"] = replace(clean, right=clean.right ^ ants)
    after = calibration.cross_validated(parts)
    for name, part in parts.items():
        ant = part.categories == "ant"
        assert (before[name] > 0).all()
        np.testing.assert_array_equal(before[name][ant], after[name][ant])
        assert (before[name][~ant] != after[name][~ant]).any()
    assert calibration.reliability(before["clean"], clean.right).error < 0.1
