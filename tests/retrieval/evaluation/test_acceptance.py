"""Votes on one encoder's answers tell whether another is better, in worlds where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.evaluation import acceptance
from retrieval.evaluation.acceptance import JudgedCase, accept

PHOTOS, RIGHT, SHOWN = 60, 8, 5


def world(
    old: float, new: float, count: int = 150, seed: int = 0, shared: float = 0.0
) -> tuple[list[JudgedCase], float]:
    """Simulate cases between encoders that know what is right so well, and the true difference.

    A photo's similarity is whether it is right, times how well the encoder knows, plus its own
    noise and `shared` noise. Right photos are like one another.
    """
    chance = np.random.default_rng(seed)
    cases, truth = [], []
    for _ in range(count):
        right = np.zeros(PHOTOS, bool)
        right[chance.permutation(PHOTOS)[:RIGHT]] = True
        common = shared * chance.normal(size=PHOTOS)
        scores = [know * right + common + chance.normal(size=PHOTOS) for know in (old, new)]
        first, second = (np.argsort(-score)[:SHOWN].tolist() for score in scores)
        looks = chance.normal(size=(PHOTOS, 16)) + 3 * right[:, None] * np.eye(16)[0]
        looks /= np.linalg.norm(looks, axis=1, keepdims=True)
        votes = {
            row: bool(right[row]) if chance.random() < 0.9 else not right[row]
            for row in first
            if chance.random() < 0.7
        }
        scaled = [(score - score.mean()) / score.std() for score in scores]
        cases.append(JudgedCase(votes, first, second, *scaled, looks @ looks.T))
        truth.append(right[second].mean() - right[first].mean())
    return cases, float(np.mean(truth))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("old", "new"), [(1.5, 0.0), (1.5, 0.8), (2.5, 1.5), (0.8, 1.8), (0.3, 2.0), (1.5, 2.5)]
)
def test_a_true_difference_is_found_in_its_direction_and_much_of_its_size(old, new, seed):
    cases, truth = world(old, new, seed=seed)
    found = accept(cases, samples=50)
    assert found.verdict in ({"better"} if truth > 0 else {"worse", "too few"})
    assert 0.3 < found.difference / truth < 1.3


def test_a_random_encoder_fixes_every_failure_and_is_refused():
    cases, _ = world(1.0, 0.0)
    failures = [(case, row) for case in cases for row, good in case.votes.items() if not good]
    assert np.mean([row not in case.shown for case, row in failures]) > 0.85
    assert accept(cases, samples=50).verdict == "worse"


@pytest.mark.parametrize("seed", range(4))
def test_equals_are_not_called_better_or_worse(seed):
    cases, truth = world(2.0, 2.0, seed=seed, shared=2.0)
    found = accept(cases, samples=50)
    assert abs(found.difference - truth) < 0.05
    same = [
        JudgedCase(c.votes, c.shown_before, c.shown_before, c.old, c.old, c.alike) for c in cases
    ]
    found = accept(same, samples=50)
    assert (found.difference, found.interval, found.verdict) == (0, (0, 0), "not worse")


def test_with_few_votes_it_says_so_and_how_many_would_do():
    cases, _ = world(1.5, 1.5, count=12)
    found = accept(cases)
    assert (found.verdict, found.needed) == ("too few", acceptance.FEWEST)
    none = [JudgedCase({}, c.shown_before, c.shown, c.old, c.new, c.alike) for c in cases]
    found = accept(none)
    assert (found.verdict, found.judged) == ("too few", 0)
    only_good = [
        JudgedCase(dict.fromkeys(c.votes, True), c.shown_before, c.shown, c.old, c.new, c.alike)
        for c in world(1.5, 1.5, count=100)[0]
    ]
    assert accept(only_good).verdict == "too few"


def test_a_wide_interval_is_too_few_and_more_drawings_than_there_are_are_asked_for():
    count = 40
    for told in ((0.0, -0.2, 0.2), (-0.01, -0.09, 0.07), (0.1, -0.06, 0.2), (-0.03, -0.04, 0)):
        verdict, needed = acceptance._verdict(count, *told)
        assert verdict == "too few"
        assert needed > count
    assert acceptance._verdict(count, 0.001, -0.049, 0.05) == ("not worse", None)
    assert acceptance._verdict(count, -0.03, -0.06, -0.001) == ("worse", None)
    assert acceptance._verdict(count, -0.01, -0.015, -0.005) == ("not worse", None)
    assert acceptance._verdict(count, 0.03, 0.001, 0.06) == ("better", None)


def test_cases_without_a_vote_do_not_count_and_the_seed_decides_the_interval():
    cases, _ = world(1.5, 2.0)
    unjudged = [JudgedCase({}, c.shown_before, c.shown, c.old, c.new, c.alike) for c in cases[:5]]
    one, two = accept(cases, samples=40), accept([*cases, *unjudged], samples=40)
    assert one.judged == sum(bool(case.votes) for case in cases) == two.judged
    assert one.interval == two.interval != accept(cases, seed=1, samples=40).interval
