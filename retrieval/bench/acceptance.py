"""Does the rule that accepts encoders accept the better ones? Votes simulated on known categories.

For every ordered pair of encoders: votes are gathered on what the first shows, the second is judged
by them, and the estimate is compared with the true difference in the share of right photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np

from retrieval import drawings, evaluation, photos
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder, load_encoder
from retrieval.evaluation.acceptance import accept
from retrieval.evaluation.failures import ALIKE, Side, answer, shown_for
from retrieval.evaluation.measure import embed_pictures
from retrieval.failure_set import Case, JudgedPhoto, Verdict
from retrieval.index import Stock

_SHOWN: Final = 5
_RIGHTLY: Final = 0.9  # how often a member votes as the category says
_VOTED: Final = 0.75  # share of shown photos that anybody votes on
_MOST_MEMBERS: Final = 5
_NAME: Final = "all"


class Pair(msgspec.Struct, frozen=True):
    """One encoder judged by votes on another's answers; means over the rounds."""

    incumbent: str
    candidate: str
    truth: float
    estimate: float
    low: float
    high: float
    verdicts: dict[str, int]


class Figures(msgspec.Struct, frozen=True):
    """What the simulation gave. `wrong` counts decisions against a true difference > 0.03."""

    drawings: int
    photos: int
    cases: int
    precision_at_5: dict[str, float]
    alike_of_one_category: dict[str, float]
    pairs: tuple[Pair, ...]
    correlation: float
    mean_error: float
    truth_in_interval: float
    accepted_worse: int
    refused_better: int
    decisions: int


@dataclass(frozen=True, slots=True)
class _Shown:
    side: Side
    top: list[list[str]]


def measure(
    data: Path,
    checkpoints: Sequence[Path | None],
    device: str,
    cases: int,
    rounds: int,
    tell: Callable[[str], None],
    most_drawings: int = 1000,
) -> Figures:
    """Simulate; `data` holds `sketch` and `photo`, folders by category. None is what ships.

    Raises OSError where there is no such data.
    """
    collection = evaluation.read(data / "sketch", data / "photo")
    chance = np.random.default_rng(0)
    rows = np.sort(chance.permutation(len(collection.drawings))[:most_drawings])
    asked = [collection.drawings[row] for row in rows]
    kinds = [str(picture.category) for picture in asked]
    category = {str(n): str(photo.category) for n, photo in enumerate(collection.photos)}
    found: dict[str, _Shown] = {}
    for checkpoint in checkpoints:
        encoder = load_encoder(checkpoint, device)
        tell(f"{encoder.label}: encoding {len(asked)} drawings, {len(category)} photos")
        side = _side(encoder, collection, asked, list(category))
        stock = side.stocks[_NAME]
        tops = [shown_for(side, n, stock.ids, stock.vectors, _SHOWN)[0] for n in range(len(asked))]
        found[encoder.label] = _Shown(side, tops)
    truths = {
        label: np.array(
            [
                np.mean([category[key] == kind for key in top])
                for top, kind in zip(one.top, kinds, strict=True)
            ]
        )
        for label, one in found.items()
    }
    pairs, errors, inside, worse, refused = [], [], 0, 0, 0
    for old, new in permutations(found, 2):
        truth = float((truths[new] - truths[old]).mean())
        told = []
        for turn in range(rounds):
            chance = np.random.default_rng(turn)
            some = chance.permutation(len(asked))[:cases]
            judged = [
                _vote(int(n), found[old].top[n], kinds[n], category, chance, old) for n in some
            ]
            told.append(
                accept(
                    [
                        answer(case, int(n), found[old].side, found[new].side).judged
                        for case, n in zip(judged, some, strict=True)
                    ]
                )
            )
        verdicts = [one.verdict for one in told]
        inside += sum(one.interval[0] <= truth <= one.interval[1] for one in told)
        worse += sum(v in ("better", "not worse") for v in verdicts) * (truth < -0.03)
        refused += verdicts.count("worse") * (truth > 0.03)
        pairs.append(
            Pair(
                incumbent=old,
                candidate=new,
                truth=round(truth, 4),
                estimate=round(float(np.mean([one.difference for one in told])), 4),
                low=round(float(np.mean([one.interval[0] for one in told])), 4),
                high=round(float(np.mean([one.interval[1] for one in told])), 4),
                verdicts={verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
            )
        )
        errors += [one.difference - truth for one in told]
        tell(f"{old} → {new}: true {truth:+.3f}, estimated {pairs[-1].estimate:+.3f}")
    return Figures(
        drawings=len(asked),
        photos=len(category),
        cases=cases,
        precision_at_5={label: round(float(each.mean()), 4) for label, each in truths.items()},
        alike_of_one_category={
            label: round(_agreement(one.side, category), 3) for label, one in found.items()
        },
        pairs=tuple(pairs),
        correlation=round(
            float(np.corrcoef([p.truth for p in pairs], [p.estimate for p in pairs])[0, 1]), 4
        ),
        mean_error=round(float(np.abs(errors).mean()), 4),
        truth_in_interval=round(inside / max(1, len(errors)), 3),
        accepted_worse=worse,
        refused_better=refused,
        decisions=len(errors),
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
    encoder: str,
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
        case=str(number), drawing="", may_train=False, month="2026-01", encoder=encoder,
        galleries=(_NAME,), photos=tuple(judged),
    )  # fmt: skip


def _verdict(good: int, members: int) -> Verdict:
    """Wilson's interval of one standard error lies on one side of a half, or does not."""
    if not members:
        return "undecided"
    share = good / members
    middle = (share + 1 / (2 * members)) / (1 + 1 / members)
    half = np.sqrt(share * (1 - share) / members + 1 / (4 * members**2)) / (1 + 1 / members)
    verdicts: tuple[tuple[bool, Literal["good", "failure"]], ...] = (
        (middle - half > 0.5, "good"),
        (middle + half < 0.5, "failure"),
    )
    return next((verdict for holds, verdict in verdicts if holds), "undecided")


def _agreement(side: Side, category: dict[str, str]) -> float:
    """Return how often two photos that count as alike are of one category."""
    stock = side.stocks[_NAME]
    rows: FloatArray = stock.vectors[:, side.encoder.compared]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    kinds = np.array([category[key] for key in stock.ids])
    first, second = np.triu_indices(len(rows), 1)
    alike = (rows @ rows.T)[first, second] >= ALIKE
    return float((kinds[first] == kinds[second])[alike].mean())
