"""Members vote on what an encoder shows, where it is known what drawings and photos are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from retrieval import drawings, evaluation, photos
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder
from retrieval.evaluation.acceptance import Acceptance, JudgedCase, accept
from retrieval.evaluation.answering import ALIKE, Side, answer
from retrieval.evaluation.measure import embed_pictures
from retrieval.evaluation.metrics import Floats
from retrieval.failure_set import Case, JudgedPhoto, Verdict
from retrieval.index import Stock

_SHOWN: Final = 5
_RIGHTLY: Final = 0.9  # how often a member votes as the category says
_VOTED: Final = 0.75  # share of shown photos that anybody votes on
_MOST_MEMBERS: Final = 6
_SURE: Final = 1.645  # standard errors
_ALIKE: Final = 0.03  # difference in precision at 5 at and below which encoders count as alike
_NAME: Final = "all"


@dataclass(frozen=True, slots=True)
class Trial:
    """One judgement, beside what is true."""

    cases: int
    truth: float
    found: Acceptance

    @property
    def kind(self) -> str:
        """Say what the candidate is in truth: "worse", "alike" or "better"."""
        if abs(self.truth) <= _ALIKE:
            return "alike"
        return "better" if self.truth > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Shown:
    """An encoder's first photos for each drawing, and their shares of right ones (drawings,)."""

    side: Side
    top: list[list[str]]
    right: Floats


@dataclass(frozen=True, slots=True)
class World:
    """Drawings of known categories, and the photos' categories by their ids."""

    collection: evaluation.Collection
    asked: list[evaluation.Picture]
    category: dict[str, str]

    @classmethod
    def read(cls, data: Path, most: int) -> World:
        """Read `sketch` and `photo`, folders by category, and choose so many drawings."""
        collection = evaluation.read(data / "sketch", data / "photo")
        chance = np.random.default_rng(0)
        rows = np.sort(chance.permutation(len(collection.drawings))[:most])
        category = {str(n): str(photo.category) for n, photo in enumerate(collection.photos)}
        return cls(collection, [collection.drawings[row] for row in rows], category)

    def shown(self, encoder: Encoder) -> Shown:
        """Answer every drawing with an encoder."""
        side = _side(encoder, self.collection, self.asked, list(self.category))
        top = [side.shown(number, (_NAME,), _SHOWN).ids for number in range(len(self.asked))]
        right = [
            np.mean([self.category[key] == str(picture.category) for key in keys])
            for keys, picture in zip(top, self.asked, strict=True)
        ]
        return Shown(side, top, np.array(right))

    def judge(self, old: Shown, new: Shown, cases: int, seed: int) -> Trial:
        """Let members vote on what the old encoder shows, and judge the new one by such cases.

        Drawings of which no photo was decided are no cases, so there may be fewer.
        """
        chance = np.random.default_rng(seed)
        judged: list[JudgedCase] = []
        for number in map(int, chance.permutation(len(self.asked))):
            case = _vote(
                number, old.top[number], str(self.asked[number].category), self.category, chance
            )
            if len(judged) < cases and any(p.verdict != "undecided" for p in case.photos):
                judged.append(answer(case, number, old.side, new.side, (_NAME,)).judged)
        return Trial(cases, float((new.right - old.right).mean()), accept(judged))


def _side(
    encoder: Encoder,
    collection: evaluation.Collection,
    asked: Sequence[evaluation.Picture],
    ids: list[str],
) -> Side:
    def quiet(stage: str, done: int, total: int) -> None:
        """Say nothing."""

    gallery = embed_pictures(
        collection.photos,
        lambda path: encoder.prepare_photo(photos.read(path)),
        encoder.embed_photos,
        "Photos",
        quiet,
    )
    queries = embed_pictures(
        asked,
        lambda path: encoder.prepare_sketch(drawings.read(path).sketch),
        encoder.embed_sketches,
        "Drawings",
        quiet,
    )
    if gallery.unreadable or queries.unreadable:
        raise OSError(f"{(gallery.unreadable + queries.unreadable)[0].file} cannot be read")
    stock = Stock(ids, np.stack(gallery.vectors), {})
    return Side(encoder, {_NAME: stock}, np.stack(queries.vectors))


def _vote(
    number: int,
    shown: Sequence[str],
    kind: str,
    category: dict[str, str],
    chance: np.random.Generator,
) -> Case:
    """Let some members vote on the photos shown for a drawing."""
    judged = []
    for rank, key in enumerate(shown, start=1):
        members = int(chance.integers(1, _MOST_MEMBERS + 1)) * int(chance.random() < _VOTED)
        likely = _RIGHTLY if category[key] == kind else 1 - _RIGHTLY
        good = int(chance.binomial(members, likely))
        judged.append(
            JudgedPhoto(
                rank=rank, photo_id=key, file=None, gallery=_NAME, title="", credit="", score=0.0,
                good=good, miss=members - good, funny=0, verdict=_verdict(good, members),
            )
        )  # fmt: skip
    return Case(
        case=str(number), drawing="", may_train=False, month="2026-01", encoder="",
        galleries=(_NAME,), photos=tuple(judged),
    )  # fmt: skip


def _verdict(good: int, members: int) -> Verdict:
    """Judge as the bot does: Wilson's one-sided 95 % bound lies at one half or beyond it."""
    if not members or (2 * good - members) ** 2 < _SURE**2 * members:
        return "undecided"
    return "good" if 2 * good > members else "failure"


def agreement(side: Side, category: dict[str, str]) -> float:
    """Return how often two photos that count as alike are of one category."""
    stock = side.stocks[_NAME]
    rows: FloatArray = stock.vectors[:, side.encoder.compared]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    kinds = np.array([category[key] for key in stock.ids])
    first, second = np.triu_indices(len(rows), 1)
    alike = (rows @ rows.T)[first, second] >= ALIKE
    return float((kinds[first] == kinds[second])[alike].mean())
