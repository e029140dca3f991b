"""What failure cases say of an encoder, as data and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from PIL import Image

from retrieval.evaluation.acceptance import Acceptance, Outcome
from retrieval.failure_set import Case


@dataclass(frozen=True, slots=True)
class Change:
    """A judged photo that came or went: its case, its id, and what the encoder shows now."""

    case: Case
    photo_id: str
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the cases say of an encoder.

    `gone` photos were judged and are not in the gallery any more; cases whose drawing is
    `unreadable`, or whose gallery is `elsewhere`, are left out.
    """

    encoder: str
    incumbent: str
    cases: int
    unreadable: tuple[str, ...]
    elsewhere: tuple[str, ...]
    gone: int
    failures: int
    goods: int
    fixed: tuple[Change, ...]
    broken: tuple[Change, ...]
    fixed_interval: tuple[float, float] | None
    broken_interval: tuple[float, float] | None
    acceptance: Acceptance
    photo: Callable[[str], Image.Image]  # of a gallery, by its id
    drawing: Callable[[Case], Image.Image]


class FindingsDocument(msgspec.Struct, frozen=True):
    """Findings as JSON. Shares and scores are 0 to 1, None where there is nothing to tell."""

    encoder: str
    incumbent: str
    verdict: Outcome
    cases: int
    judged: int
    needed: int | None
    failures: int
    fixed: int
    fixed_share: float | None
    fixed_interval: tuple[float, float] | None
    goods: int
    broken: int
    broken_share: float | None
    broken_interval: tuple[float, float] | None
    score: float | None
    score_before: float | None
    difference: float | None
    difference_interval: tuple[float, float] | None
    unjudged_share: float
    photos_gone: int
    unreadable: tuple[str, ...]
    galleries_missing: tuple[str, ...]


def findings_document(found: Findings) -> FindingsDocument:
    """Return findings as they are printed with ``--json``."""
    told = found.acceptance

    def known(value: float) -> float | None:
        return None if np.isnan(value) else value

    return FindingsDocument(
        encoder=found.encoder,
        incumbent=found.incumbent,
        verdict=told.verdict,
        cases=found.cases,
        judged=told.judged,
        needed=told.needed,
        failures=found.failures,
        fixed=len(found.fixed),
        fixed_share=len(found.fixed) / found.failures if found.failures else None,
        fixed_interval=found.fixed_interval,
        goods=found.goods,
        broken=len(found.broken),
        broken_share=len(found.broken) / found.goods if found.goods else None,
        broken_interval=found.broken_interval,
        score=known(told.score),
        score_before=known(told.score_before),
        difference=known(told.difference),
        difference_interval=None if np.isnan(told.difference) else told.interval,
        unjudged_share=told.unjudged,
        photos_gone=found.gone,
        unreadable=found.unreadable,
        galleries_missing=found.elsewhere,
    )
