"""Figures worked out by hand on rankings that can be seen at a glance, and by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, precision_score, top_k_accuracy_score

from retrieval.evaluation.metrics import FIGURES, UNKNOWN, Embedded, Scores, evaluate, rank


def scored(rows, labels, gallery_labels, instances=None, gallery_instances=None) -> Scores:
    """Evaluate a table of scores (queries, photos): inner products with the unit vectors."""
    rows = np.asarray(rows, float)
    nobody = np.full(max(rows.shape), UNKNOWN)
    return evaluate(
        Embedded(rows, labels, nobody[: len(rows)] if instances is None else instances),
        Embedded(
            np.eye(rows.shape[1]),
            gallery_labels,
            nobody[: rows.shape[1]] if gallery_instances is None else gallery_instances,
        ),
    )


def in_order(right: list[int]) -> Scores:
    """Evaluate one query of category 7 whose ranking is right where there is a 1."""
    return scored([-np.arange(len(right))], [7], [7 if one else 8 for one in right])


def test_three_queries_and_five_photos_by_hand() -> None:
    #           photo     0    1    2    3    4
    #           category  A    A    B    B    C
    scores = scored(
        [
            [0.1, 0.9, 0.8, 0.2, 0.3],  # drawn from photo 1, of A; ranked 1 2 4 3 0
            [0.9, 0.1, 0.8, 0.7, 0.2],  # drawn from photo 3, of B; ranked 0 2 3 4 1
            [0.5, 0.4, 0.3, 0.2, 0.1],  # of C, drawn from none;    ranked 0 1 2 3 4
        ],
        [0, 1, 2],
        [0, 0, 1, 1, 2],
        [1, 3, UNKNOWN],
        [0, 1, 2, 3, 4],
    )
    by_hand = {
        # right: + - - - +    (1/1 + 2/5) / 2      = .7
        #        - + + - -    (1/2 + 2/3) / 2      = 7/12
        #        - - - - +     1/5                 = .2
        "map": [0.7, 7 / 12, 0.2],
        "map_at_200": [0.7, 7 / 12, 0.2],  # nothing lies beyond 200
        "precision_at_10": [0.2, 0.2, 0.1],  # 2, 2 and 1 right among ten, though there are but five
        "hit_at_1": [1, 0, 0],
        "hit_at_5": [1, 1, 1],
        # The photos drawn stand first and third; the third query does not count.
        "recall_at_1": [1, 0, np.nan],
        "recall_at_5": [1, 1, np.nan],
        "recall_at_10": [1, 1, np.nan],
        # Of A's photos 1 is first, the one drawn; of B's it is 2, and 3 was drawn.
        "recall_at_1_within_category": [1, 0, np.nan],
    }
    assert tuple(by_hand) == FIGURES
    for figure, values in by_hand.items():
        np.testing.assert_allclose(scores.values[figure], values, err_msg=figure)
    assert scores.mean("map") == pytest.approx((0.7 + 7 / 12 + 0.2) / 3)
    assert scores.mean("recall_at_1") == 0.5
    assert (scores.counted("map"), scores.counted("recall_at_1")) == (3, 2)
    assert scores.top.tolist() == [[1, 2, 4, 3, 0], [0, 2, 3, 4, 1], [0, 1, 2, 3, 4]]
    assert scores.first_right.tolist() == [1, 2, 5]
    assert str(scores) == "mAP 0.494  hit@1 0.333  hit@5 1.000"


def test_where_each_figure_stops_looking() -> None:
    # The first right photo is the sixth, the photo drawn the seventh, its category's second.
    scores = scored([-np.arange(20)], [1], [0] * 5 + [1] * 15, [6], range(20))
    assert scores.mean("hit_at_1") == scores.mean("hit_at_5") == 0
    assert scores.mean("precision_at_10") == 0.5  # the sixth to the tenth
    assert scores.mean("recall_at_1") == scores.mean("recall_at_5") == 0
    assert scores.mean("recall_at_10") == 1
    assert scores.mean("recall_at_1_within_category") == 0
    eleventh = scored([-np.arange(20)], [1], [0] * 10 + [1] * 10, [10], range(20))
    assert eleventh.mean("recall_at_10") == 0
    assert eleventh.mean("recall_at_1_within_category") == 1
    assert eleventh.mean("precision_at_10") == 0


def test_map_at_200_is_divided_by_what_could_be_found() -> None:
    # Three right photos, one of them beyond 200: it is missed, and still divided by.
    few = in_order([1, 1, *[0] * 247, 1, *[0] * 50])
    assert few.mean("map") == pytest.approx((1 / 1 + 2 / 2 + 3 / 250) / 3)
    assert few.mean("map_at_200") == pytest.approx((1 / 1 + 2 / 2) / 3)
    # 250 right photos after 50 wrong ones: 150 of them lie within 200, and 200 could have.
    many = in_order([0] * 50 + [1] * 250)
    precisions = [found / (50 + found) for found in range(1, 151)]
    assert many.mean("map_at_200") == pytest.approx(sum(precisions) / 200)
    # All of the first 200 are right: there is nothing better, whatever follows.
    assert in_order([1] * 250 + [0] * 9).mean("map_at_200") == pytest.approx(1)


def test_figures_agree_with_scikit_learn_on_random_rankings() -> None:
    chance = np.random.default_rng(5)
    table = chance.normal(size=(150, 400))  # more queries than are ranked at once
    labels, stock = chance.integers(0, 4, 150), chance.integers(0, 4, 400)
    drawn_from = chance.integers(0, 400, 150)
    scores = scored(table, labels, stock, drawn_from, np.arange(400))
    for row, (line, label) in enumerate(zip(table, labels, strict=True)):
        right = stock == label
        first = np.argsort(-line)
        assert scores.values["map"][row] == pytest.approx(average_precision_score(right, line))
        found = average_precision_score(right[first[:200]], line[first[:200]])
        share = right[first[:200]].sum() / min(200, right.sum())
        assert scores.values["map_at_200"][row] == pytest.approx(found * share)
        ten = np.isin(np.arange(400), first[:10])
        assert scores.values["precision_at_10"][row] == pytest.approx(precision_score(right, ten))
    for k in (1, 5, 10):
        recall = top_k_accuracy_score(drawn_from, table, k=k, labels=np.arange(400))
        assert scores.mean(f"recall_at_{k}") == pytest.approx(recall)


def test_a_distractor_is_right_for_nobody_and_costs_its_rank() -> None:
    table = [[0.9, 0.8, 0.7]]
    without = scored(table, [1], [1, 0, 1], [0], [0, 1, 2])
    assert without.mean("map") == pytest.approx((1 + 2 / 3) / 2)
    with_one = scored(table, [1], [UNKNOWN, 0, 1], [2], [UNKNOWN, 1, 2])
    assert with_one.mean("map") == pytest.approx(1 / 3)
    assert with_one.mean("recall_at_1") == 0
    # What is unknown of a query and of a photo is not the same thing.
    unknown = scored([*table, *table], [UNKNOWN, 1], [UNKNOWN, 0, 1], [UNKNOWN] * 2, [UNKNOWN] * 3)
    assert np.isnan(unknown.values["map"][0])
    assert unknown.counted("recall_at_1") == 0
    assert np.isnan(unknown.mean("recall_at_1"))


def test_queries_that_nothing_could_answer_do_not_count() -> None:
    table = [[0.9, 0.1, 0.1], [0.9, 0.1, 0.1]]
    scores = scored(table, [1, 99], [1, 2, 2])
    assert (scores.mean("hit_at_1"), scores.counted("hit_at_1")) == (1, 1)
    assert scores.first_right.tolist() == [1, 0]
    with pytest.raises(ValueError, match="right answer"):
        scored(table, [98, 99], [1, 2, 2])


def test_equal_scores_stand_in_the_gallerys_order() -> None:
    scores = np.random.default_rng(0).integers(0, 2, 500)
    (order,) = rank(np.ones((1, 1), np.float32), scores[:, None].astype(np.float32)).tolist()
    assert order == [*np.flatnonzero(scores == 1), *np.flatnonzero(scores == 0)]


def test_tensors_are_taken_and_progress_is_told() -> None:
    told = []
    with torch.inference_mode():
        rows = torch.eye(300)
    numbers = torch.arange(300)
    side = Embedded(rows, numbers, numbers)
    scores = evaluate(side, side, lambda done, total: told.append((done, total)))
    assert scores.mean("map") == scores.mean("recall_at_1") == 1
    assert [total for _, total in told] == [300] * len(told)
    assert [done for done, _ in told] == [128, 256, 300]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_embeddings_that_are_no_numbers_are_refused_rather_than_ranked(bad: float) -> None:
    rows = np.eye(3)
    rows[1, 1] = bad
    with pytest.raises(ValueError, match="not finite"):
        evaluate(Embedded(rows, [0, 1, 2], [0, 1, 2]), Embedded(np.eye(3), [0, 1, 2], [0, 1, 2]))


def test_a_label_too_few_is_refused() -> None:
    side = Embedded(np.eye(3), [0, 1, 2], [0, 1, 2])
    with pytest.raises(ValueError, match="one label"):
        evaluate(Embedded(np.eye(3), [0, 1], [0, 1, 2]), side)
