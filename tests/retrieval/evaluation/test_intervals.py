"""Intervals whose ends are known, and those that only scipy knows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from retrieval.evaluation.intervals import bootstrap
from retrieval.evaluation.metrics import FIGURES, Scores


def scores_of(values, recall=None) -> Scores:
    """Scores of queries with the same values for every figure but those of the recalls."""
    values = np.asarray(values, float)
    recall = values if recall is None else np.asarray(recall, float)
    table = {figure: recall if "recall" in figure else values for figure in FIGURES}
    nothing = np.zeros(len(values), np.int64)
    return Scores(table, nothing[:, None], nothing)


@pytest.mark.parametrize("categories", [1, 3, 10, 30])
def test_where_all_queries_fare_the_same_there_is_no_width(categories) -> None:
    labels = np.repeat(np.arange(categories), 4)
    found = bootstrap(scores_of(np.full(len(labels), 0.25)), labels, 200, 0)
    assert found.bounds == dict.fromkeys(FIGURES, (0.25, 0.25))
    assert bootstrap(scores_of([1.0]), [0], 200, 0).bounds["map"] == (1, 1)


def test_what_no_query_counts_for_has_no_interval_and_no_samples_give_none() -> None:
    found = bootstrap(scores_of([0.0, 1.0], [np.nan, np.nan]), [0, 1], 200, 0)
    assert found.bounds["recall_at_1"] is None
    assert found.bounds["map"] == (0, 1)
    assert set(bootstrap(scores_of([0.0, 1.0]), [0, 1], 0, 0).bounds.values()) == {None}


def test_with_ten_categories_these_are_drawn_and_with_nine_the_queries() -> None:
    # Of ten categories five are always right and five never: a sample's mean is Binomial(10, 1/2)
    # over 10. P(0 or 1) = .011 and P(0 to 2) = .055, so the percentiles 2.5 and 97.5 are .2 and .8,
    # however many drawings each category has.
    labels = np.repeat(np.arange(10), 40)
    found = bootstrap(scores_of(labels % 2), labels, 4000, 1)
    assert found.resampled == "categories"
    assert found.bounds["map"] == pytest.approx((0.2, 0.8))
    # Single queries would make believe that 400 answers were known: 1.96 x sqrt(.25 / 400) = .049.
    merged = np.minimum(labels, 8)
    found = bootstrap(scores_of(labels % 2), merged, 4000, 1)
    assert found.resampled == "queries"
    assert found.bounds["map"] == pytest.approx((0.5 - 0.049, 0.5 + 0.049), abs=0.006)


def test_categories_count_by_the_drawings_they_have() -> None:
    # Nine categories of one drawing that is right, one of 91 that are wrong: with a share of
    # (9/10)^10 = .35 of the samples the large one is not drawn, and all is right.
    labels = [*range(9), *[9] * 91]
    found = bootstrap(scores_of([1.0] * 9 + [0.0] * 91), labels, 4000, 0)
    low, high = found.bounds["map"]
    assert high == 1
    # Drawn three times (P(4 or more) = .013, P(3 or more) = .07), it leaves seven right of 280.
    assert low == pytest.approx(7 / 280)


def test_queries_drawn_singly_agree_with_scipy() -> None:
    chance = np.random.default_rng(0)
    values, labels = chance.random(60) ** 2, chance.integers(0, 3, 60)
    found = bootstrap(scores_of(values), labels, 5000, 0).bounds["map"]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(found, [theirs.low, theirs.high], atol=0.006)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    chance = np.random.default_rng(0)
    scores, labels = scores_of(chance.random(200)), chance.integers(0, 20, 200)
    first = bootstrap(scores, labels, 300, 7)
    assert first.resampled == "categories"
    assert bootstrap(scores, labels, 300, 7) == first
    assert bootstrap(scores, labels, 300, 8).bounds != first.bounds


def test_samples_without_a_query_that_counts_are_left_out() -> None:
    # Only one category in twelve has drawings whose photo is there.
    labels = np.repeat(np.arange(12), 2)
    recall = np.where(labels == 3, 0.5, np.nan)
    found = bootstrap(scores_of(np.ones(24), recall), labels, 500, 0)
    assert found.bounds["recall_at_5"] == (0.5, 0.5)


def test_queries_without_an_answer_make_no_category() -> None:
    labels = np.arange(10)
    values = np.where(labels == 0, np.nan, 1.0)
    assert bootstrap(scores_of(values), labels, 50, 0).resampled == "queries"
