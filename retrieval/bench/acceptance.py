"""Does the rule that accepts encoders accept the better ones? Votes simulated on known categories.

For every ordered pair of encoders: votes are gathered on what the first shows, the second is judged
by them, and the estimate is compared with the true difference in the share of right photos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from retrieval import drawings, evaluation, photos
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder, load_encoder
from retrieval.evaluation.acceptance import Acceptance, JudgedCase, Outcome, accept
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


class Pair(msgspec.Struct, frozen=True):
    """One encoder judged by votes on another's answers; means over the rounds."""

    incumbent: str
    candidate: str
    cases: int
    truth: float
    estimate: float
    low: float
    high: float
    verdicts: dict[Outcome, int]


class Figures(msgspec.Struct, frozen=True):
    """What the simulation gave.

    `verdicts` are counted by the number of cases and by what is true: the candidate is "worse" or
    "better" by more than .03, or "alike". Of these, `accepted_worse` and `refused_better` are
    wrong.
    """

    drawings: int
    photos: int
    precision_at_5: dict[str, float]
    alike_of_one_category: dict[str, float]
    verdicts: dict[str, dict[str, dict[Outcome, int]]]
    accepted_worse: int
    refused_better: int
    decisions: int
    correlation: float | None
    mean_error: float | None
    truth_in_interval: float | None
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class _Trial:
    """One judgement, beside what is true."""

    cases: int
    truth: float
    found: Acceptance

    @property
    def kind(self) -> str:
        if abs(self.truth) <= _ALIKE:
            return "alike"
        return "better" if self.truth > 0 else "worse"


@dataclass(frozen=True, slots=True)
class _Shown:
    """An encoder's first photos for each drawing, and their shares of right ones (drawings,)."""

    side: Side
    top: list[list[str]]
    right: Floats


@dataclass(frozen=True, slots=True)
class _World:
    """Drawings of known categories, and the photos' categories by their ids."""

    collection: evaluation.Collection
    asked: list[evaluation.Picture]
    category: dict[str, str]

    @classmethod
    def read(cls, data: Path, most: int) -> _World:
        collection = evaluation.read(data / "sketch", data / "photo")
        chance = np.random.default_rng(0)
        rows = np.sort(chance.permutation(len(collection.drawings))[:most])
        category = {str(n): str(photo.category) for n, photo in enumerate(collection.photos)}
        return cls(collection, [collection.drawings[row] for row in rows], category)

    def shown(self, encoder: Encoder) -> _Shown:
        """Answer every drawing with an encoder."""
        side = _side(encoder, self.collection, self.asked, list(self.category))
        top = [side.shown(number, (_NAME,), _SHOWN).ids for number in range(len(self.asked))]
        right = [
            np.mean([self.category[key] == str(picture.category) for key in keys])
            for keys, picture in zip(top, self.asked, strict=True)
        ]
        return _Shown(side, top, np.array(right))

    def judge(self, old: _Shown, new: _Shown, cases: int, seed: int) -> _Trial:
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
        return _Trial(cases, float((new.right - old.right).mean()), accept(judged))


def measure(
    data: Path,
    checkpoints: Sequence[Path | None],
    device: str,
    cases: Sequence[int],
    rounds: int,
    tell: Callable[[str], None],
    most_drawings: int = 1000,
) -> Figures:
    """Simulate; `data` holds `sketch` and `photo`, folders by category. None is what ships.

    Raises OSError where there is no such data.
    """
    world = _World.read(data, most_drawings)
    shown: dict[str, _Shown] = {}
    for checkpoint in checkpoints:
        encoder = load_encoder(checkpoint, device)
        tell(f"{encoder.label}: {len(world.asked)} drawings, {len(world.category)} photos")
        shown[encoder.label] = world.shown(encoder)
    pairs: list[Pair] = []
    trials: list[_Trial] = []
    for count in cases:
        for old, new in permutations(shown, 2):
            some = [world.judge(shown[old], shown[new], count, seed) for seed in range(rounds)]
            trials += some
            pairs.append(_pair(old, new, some))
            tell(f"{count} cases, {old} → {new}: {pairs[-1].truth:+.3f} {pairs[-1].verdicts}")
    return _figures(world, shown, pairs, trials)


def _pair(old: str, new: str, trials: Sequence[_Trial]) -> Pair:
    def mean(values: Sequence[float]) -> float:
        return round(float(np.mean(values)), 4)

    found = [trial.found for trial in trials]
    return Pair(
        incumbent=old,
        candidate=new,
        cases=trials[0].cases,
        truth=round(trials[0].truth, 4),
        estimate=mean([one.difference for one in found]),
        low=mean([one.interval[0] for one in found]),
        high=mean([one.interval[1] for one in found]),
        verdicts=_counted(trials),
    )


def _counted(trials: Iterable[_Trial]) -> dict[Outcome, int]:
    return dict(Counter(trial.found.verdict for trial in trials))


def _figures(
    world: _World, shown: dict[str, _Shown], pairs: list[Pair], trials: list[_Trial]
) -> Figures:
    verdicts = {
        str(count): {
            kind: counted
            for kind in ("worse", "alike", "better")
            if (counted := _counted(t for t in trials if (t.cases, t.kind) == (count, kind)))
        }
        for count in dict.fromkeys(trial.cases for trial in trials)
    }
    told = [trial for trial in trials if not np.isnan(trial.found.difference)]
    truths = [trial.truth for trial in told]
    estimates = [trial.found.difference for trial in told]
    inside = [t.found.interval[0] <= t.truth <= t.found.interval[1] for t in told]
    kinds = [(trial.kind, trial.found.verdict) for trial in trials]
    return Figures(
        drawings=len(world.asked),
        photos=len(world.category),
        precision_at_5={name: round(float(one.right.mean()), 4) for name, one in shown.items()},
        alike_of_one_category={
            name: round(_agreement(one.side, world.category), 3) for name, one in shown.items()
        },
        verdicts=verdicts,
        accepted_worse=kinds.count(("worse", "better")) + kinds.count(("worse", "not worse")),
        refused_better=kinds.count(("better", "worse")),
        decisions=len(kinds),
        correlation=round(float(np.corrcoef(truths, estimates)[0, 1]), 4) if told else None,
        mean_error=round(float(np.abs(np.subtract(truths, estimates)).mean()), 4) if told else None,
        truth_in_interval=round(float(np.mean(inside)), 3) if told else None,
        pairs=tuple(pairs),
    )


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


def _agreement(side: Side, category: dict[str, str]) -> float:
    """Return how often two photos that count as alike are of one category."""
    stock = side.stocks[_NAME]
    rows: FloatArray = stock.vectors[:, side.encoder.compared]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    kinds = np.array([category[key] for key in stock.ids])
    first, second = np.triu_indices(len(rows), 1)
    alike = (rows @ rows.T)[first, second] >= ALIKE
    return float((kinds[first] == kinds[second])[alike].mean())
