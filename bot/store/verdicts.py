"""What votes say of a photo: that it failed, that it is right, or not enough to tell.

A photo *failed* when one can be 95 % sure that more than half of the people would call it a miss
rather than a good match, and is *right* the other way round: the one-sided Wilson bound (1927) of
the share lies at one half or above. Three of three are enough, two of two are not, five of six are
not, six of seven are. Votes for funny say neither.
"""

from math import sqrt
from typing import Literal

from sqlalchemy import ColumnElement, and_

Z = 1.645  # one-sided, 95 %
Z_BOTH_SIDES = 1.96

Verdict = Literal["failure", "good", "undecided"]


def wilson(successes: int, trials: int, z: float = Z) -> tuple[float, float]:
    """Return the Wilson bounds of a share, (0, 1) when nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, z * z / trials
    middle = share + square / 2
    half = z * sqrt(share * (1 - share) / trials + square / (4 * trials))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def verdict(good: int, miss: int) -> Verdict:
    """Judge a photo by the votes that it got."""
    if (miss - good) ** 2 < Z * Z * (good + miss) or good == miss:
        return "undecided"
    return "failure" if miss > good else "good"


def has_failed(good: ColumnElement[int], miss: ColumnElement[int]) -> ColumnElement[bool]:
    """Say in SQL what :func:`verdict` calls a failure.

    The bound of m of n reaches one half exactly when (m - (n - m))² >= z² n, which needs no root.
    """
    return and_(miss > good, (miss - good) * (miss - good) >= Z * Z * (good + miss))
