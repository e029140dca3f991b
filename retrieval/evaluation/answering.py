"""One judged drawing answered by two encoders over the same photos, and what changed between them.

Arrays and ids only: where photos and drawings come from is :mod:`retrieval.evaluation.material`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from retrieval import hubness, ranking
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder
from retrieval.evaluation.acceptance import JudgedCase
from retrieval.evaluation.findings import Change
from retrieval.failure_set import Case
from retrieval.index import Stock

# Likeness at and above which two photos count as showing the same: measured by `bench acceptance`
# on sketchy-mini, where 92 % of such pairs are of one category (lite-modern-1).
ALIKE: Final = 0.65


@dataclass(frozen=True, slots=True)
class Gallery:
    """Photos searched together: extended embeddings (n, dim + 1), and the ids' rows in them."""

    ids: list[str]
    vectors: FloatArray
    row: dict[str, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """Ids that are shown for a drawing, and each photo's score (n,) in standard deviations."""

    ids: list[str]
    scores: FloatArray


@dataclass(slots=True)
class Side:
    """An encoder with its embeddings of the collections and of the drawings (cases, dim)."""

    encoder: Encoder
    stocks: Mapping[str, Stock]
    vectors: FloatArray
    _last: tuple[tuple[str, ...], Gallery] | None = field(default=None, init=False)

    def gallery(self, names: tuple[str, ...]) -> Gallery:
        """Return some collections as one; a photo of two is there once. The last is remembered."""
        if self._last is None or self._last[0] != names:
            self._last = names, self._together(names)
        return self._last[1]

    def _together(self, names: tuple[str, ...]) -> Gallery:
        ids: list[str] = []
        parts: list[FloatArray] = []
        seen: set[str] = set()
        for name in dict.fromkeys(names):
            stock = self.stocks[name]
            new = [row for row, photo_id in enumerate(stock.ids) if photo_id not in seen]
            ids += [stock.ids[row] for row in new]
            seen.update(ids)
            parts.append(stock.vectors if len(new) == len(stock.ids) else stock.vectors[new])
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
        vectors = self.encoder.hubness.extended_photos(vectors)
        return Gallery(ids, vectors, {photo_id: row for row, photo_id in enumerate(ids)})

    def shown(self, number: int, names: tuple[str, ...], k: int) -> Shown:
        """Answer the drawing of that number with `k` photos, ranked as members see them."""
        gallery = self.gallery(names)

        def nearest(query: FloatArray, count: int) -> ranking.Neighbours[str]:
            rows = np.argsort(-(gallery.vectors @ query), kind="stable")[:count]
            near = gallery.vectors[rows[: ranking.POOL]]
            return ranking.Neighbours([gallery.ids[row] for row in rows], near)

        query = hubness.extended_queries(self.vectors[number][None])[0]
        scores = gallery.vectors @ query
        scaled = (scores - scores.mean()) / max(float(scores.std()), 1e-9)
        return Shown(ranking.order(query, nearest, k, self.encoder.compared), scaled)

    def alike(self, names: tuple[str, ...], ids: Sequence[str]) -> FloatArray:
        """Return how like some photos are to one another, (n, n)."""
        gallery = self.gallery(names)
        rows = gallery.vectors[[gallery.row[key] for key in ids], self.encoder.compared]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return np.asarray(rows @ rows.T)


@dataclass(frozen=True, slots=True)
class Answered:
    """One case answered by both encoders; `gone` photos were judged and are not there any more."""

    judged: JudgedCase
    fixed: list[Change]
    broken: list[Change]
    failures: int
    goods: int
    gone: int


def answer(case: Case, number: int, old: Side, new: Side, names: tuple[str, ...]) -> Answered:
    """Answer one case, the drawing of that number, with both encoders over some collections.

    A judged photo *remains* while it, or one that looks much like it, is among what is shown now.
    """
    k = max(1, len(case.photos))
    before, now = old.shown(number, names, k), new.shown(number, names, k)
    # A photo may have come or gone between the two.
    places = [side.gallery(names).row for side in (old, new)]
    votes = {
        photo.photo_id: photo.verdict == "good"
        for photo in case.photos
        if photo.verdict != "undecided"
    }
    here = {key: good for key, good in votes.items() if all(key in place for place in places)}
    matter = [
        key
        for key in dict.fromkeys((*here, *before.ids, *now.ids))
        if all(key in place for place in places)
    ]
    at = {key: row for row, key in enumerate(matter)}
    alike = old.alike(names, matter)
    shown = [at[key] for key in now.ids if key in at]
    changed = [
        key for key in here if not shown or float(alike[at[key], shown].max(initial=0)) < ALIKE
    ]
    changes = {key: Change(case, key, tuple(now.ids)) for key in changed}
    return Answered(
        JudgedCase(
            votes={at[key]: good for key, good in here.items()},
            shown_before=[at[key] for key in before.ids if key in at],
            shown=shown,
            old=before.scores[[places[0][key] for key in matter]],
            new=now.scores[[places[1][key] for key in matter]],
            alike=alike,
        ),
        fixed=[change for key, change in changes.items() if not here[key]],
        broken=[change for key, change in changes.items() if here[key]],
        failures=list(here.values()).count(False),
        goods=list(here.values()).count(True),
        gone=len(votes) - len(here),
    )
