"""The order in which photos are shown, worked out by hand and against doing it the long way."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval import ranking
from retrieval.ranking import DIVERSITY, EXPANSION, POOL, VARIED, Neighbours, order, varied


def unit(*rows: object) -> np.ndarray:
    vectors = np.array(rows, float)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Gallery:
    """Photos searched exactly; remembers what was asked."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.asked: list[tuple[np.ndarray, int]] = []

    def __call__(self, query: np.ndarray, count: int) -> Neighbours[str]:
        self.asked.append((query, count))
        rows = np.argsort(-(self.vectors @ query), kind="stable")[:count]
        return Neighbours([f"p{row}" for row in rows], self.vectors[rows])


def random(count: int) -> tuple[np.ndarray, Gallery]:
    chance = np.random.default_rng(3)
    vectors = unit(*chance.normal(size=(count + 1, 8)))
    return vectors[0], Gallery(vectors[1:])


def test_a_twin_gives_way_to_another_guess() -> None:
    query = np.array([1.0, 0, 0])
    gallery = Gallery(unit([1, 0.5, 0], [1, 0.51, 0], [1, 0, 0.55]))
    scores = gallery.vectors @ query
    assert scores[1] > scores[2]  # by similarity the twin is second
    likeness = gallery.vectors @ gallery.vectors[0]
    assert scores[1] - DIVERSITY * likeness[1] < scores[2] - DIVERSITY * likeness[2]
    assert order(query, gallery, 3) == ["p0", "p2", "p1"]
    assert varied(scores, gallery.vectors, 2) == [0, 2]


def test_the_first_is_the_nearest_and_a_clear_winner_stays_second() -> None:
    query = np.array([1.0, 0, 0])
    gallery = Gallery(unit([1, 0.1, 0], [1, 0.11, 0], [0.2, 0, 1]))
    assert order(query, gallery, 3) == ["p0", "p1", "p2"]


@pytest.mark.parametrize("compared", [slice(None), slice(2, 6)])
def test_those_after_the_first_are_like_the_drawing_and_like_the_first(compared: slice) -> None:
    query, gallery = random(60)
    for part in (slice(0, 2), slice(2, 6), slice(6, 8)):  # an encoder's blocks have a length each
        gallery.vectors[:, part] = unit(*gallery.vectors[:, part]) / 3**0.5
    found = order(query, gallery, 60, compared)
    near = gallery(query, 60)
    looks = unit(*near.vectors[:, compared])
    shares = np.exp(near.vectors[:5] @ query / 0.1)
    likeness = looks @ looks[:5].T @ shares / shares.sum()
    scores = near.vectors @ query + EXPANSION * likeness
    rest = [near.keys[row] for row in np.argsort(-scores) if near.keys[row] not in found[:VARIED]]
    assert found[0] == near.keys[0]
    assert found[VARIED:] == rest
    assert sorted(found) == sorted(near.keys)


def test_photos_are_compared_by_the_part_that_is_named() -> None:
    query = np.array([1.0, 0, 0, 0])
    # By its last two numbers the second is the first's twin; by all, the third is.
    gallery = Gallery(unit([1, 0.2, 0, 0.3], [1, -0.25, 0, 0.35], [1, 0.3, 0.35, 0]))
    assert order(query, gallery, 3)[1] == "p1"
    assert order(query, gallery, 3, slice(2, 4))[1] == "p2"


@pytest.mark.parametrize("count", [1, 3, VARIED, VARIED + 1, 20, 100])
@pytest.mark.parametrize("stock", [1, 4, 12, 80])
def test_as_many_as_asked_or_as_there_are_each_once(count: int, stock: int) -> None:
    query, gallery = random(stock)
    found = order(query, gallery, count)
    assert len(found) == len(set(found)) == min(count, stock)
    assert found == order(query, gallery, 100)[:count]


def test_a_card_costs_one_search_of_the_pool() -> None:
    query, gallery = random(80)
    order(query, gallery, VARIED)
    assert [(asked is query, count) for asked, count in gallery.asked] == [(True, POOL)]


def test_one_photo_many_times_does_no_harm() -> None:
    query = np.array([0.0, 1.0])
    gallery = Gallery(np.tile([[0.6, 0.8]], (9, 1)))
    assert order(query, gallery, 9) == [f"p{row}" for row in range(9)]
    assert np.isfinite(ranking.expanded(-query * 0, gallery.vectors)).all()
