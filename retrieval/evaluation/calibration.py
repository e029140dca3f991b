"""Choose and check the numbers that turn a search into a confidence; :mod:`retrieval.confidence`.

Every drawing searches several galleries, large and small, some without a photo of its category, so
that the confidence means the same in all. An encoder knows some categories from its training and
others not; drawings of both are fitted on together, or it would be too sure of what it never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from rich.table import Table

from retrieval import (
    confidence,
    drawings,
    hubness,
    images,
    photos,
    ranking,
    readahead,
    sketches,
)
from retrieval.encoder import Encoder
from retrieval.evaluation import corruptions
from retrieval.evaluation.folders import Collection, Picture

BINS: Final = 10
SEARCHES: Final = 2  # in galleries drawn at random, for each drawing, clean and corrupted
_ABSENT: Final = 0.1  # share of those galleries that lack the drawing's category
_FEWEST: Final = 40  # photos
FOLDS: Final = 5

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Searches:
    """Figures (n, 8) of searches, whether a first photo was right (n,), and the categories (n,)."""

    figures: Floats
    right: Mask
    categories: npt.NDArray[np.str_]


class Reliability(msgspec.Struct, frozen=True):
    """How calibrated confidences are: the expected calibration error, and its bins.

    Bins are of equal width: how many searches, their mean confidence, how many were right.
    """

    error: float
    searches: int
    right: float
    bins: list[tuple[int, float, float]]
    levels: dict[str, tuple[int, float]]


def searches(
    encoder: Encoder, collection: Collection, report: Callable[[str, int, int], None]
) -> dict[str, Searches]:
    """Embed drawings, each clean and corrupted in one way, and photos; and search.

    "clean" and "corrupted" search all photos, "distractors" those of other things too, "random"
    galleries drawn by chance.
    """
    stock = _photos(encoder, (*collection.photos, *collection.distractors), report)
    gallery = encoder.hubness.extended_photos(stock)
    labels = np.array([p.category or "" for p in (*collection.photos, *collection.distractors)])
    own = slice(0, len(collection.photos))
    found = {}
    vectors, names = {}, {}
    for corrupted in (False, True):
        rows = _drawings(encoder, collection.drawings, corrupted, report)
        word = "corrupted" if corrupted else "clean"
        vectors[word] = hubness.extended_queries(np.array([vector for _, vector in rows]))
        names[word] = np.array([category for category, _ in rows])
        some = vectors[word], names[word]
        found[word] = search(*some, gallery[own], labels[own], encoder.compared, None)
    if collection.distractors:
        some = vectors["clean"], names["clean"]
        found["distractors"] = search(*some, gallery, labels, encoder.compared, None)
    both = np.concatenate(list(vectors.values())), np.concatenate(list(names.values()))
    found["random"] = search(*both, gallery, labels, encoder.compared, 0)
    return found


def together(parts: Iterable[Searches]) -> Searches:
    """Put searches together to fit on; each counts the same."""
    taken = list(parts)
    return Searches(
        np.concatenate([part.figures for part in taken]),
        np.concatenate([part.right for part in taken]),
        np.concatenate([part.categories for part in taken]),
    )


def cross_validated(parts: Mapping[str, Searches]) -> dict[str, Floats]:
    """Return each search's probability by a fit on all parts that knew nothing of its category."""
    everything = together(parts.values())
    names = np.random.default_rng(0).permutation(np.unique(everything.categories))
    said = {key: np.zeros(len(part.right)) for key, part in parts.items()}
    for fold in range(FOLDS):
        held_out = names[fold::FOLDS]
        known = ~np.isin(everything.categories, held_out)
        fitted = fit(
            Searches(
                everything.figures[known], everything.right[known], everything.categories[known]
            ),
            "",
        )
        for key, part in parts.items():
            mine = np.isin(part.categories, held_out)
            said[key][mine] = fitted.probability(part.figures[mine])
    return said


def _photos(
    encoder: Encoder, stock: tuple[Picture, ...], report: Callable[[str, int, int], None]
) -> npt.NDArray[np.float32]:
    found: list[npt.NDArray[np.float32]] = []
    with readahead.readers() as pool:
        for batch in readahead.batches(
            lambda picture: encoder.prepare_photo(photos.read(picture.path)), stock, pool
        ):
            found += list(encoder.embed_photos(batch))
            report("Photos", len(found), len(stock))
    return np.array(found)


def _drawings(
    encoder: Encoder,
    taken: tuple[Picture, ...],
    corrupted: bool,
    report: Callable[[str, int, int], None],
) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """Return categories and embeddings of the drawings that are not refused."""
    kinds = list(corruptions.KINDS)
    rows = []
    for number, picture in enumerate(taken):
        data = picture.path.read_bytes()
        if corrupted:
            kind, strength = kinds[number % len(kinds)], 1 + number // len(kinds) % 3
            data = corruptions.corrupt(kind, images.decode(data), strength, number)
        try:
            sketch = drawings.decode(data).sketch
        except sketches.NotADrawingError:
            continue
        vector = encoder.embed_sketches([encoder.prepare_sketch(sketch)])[0]
        rows.append((str(picture.category), vector))
        report("Corrupted" if corrupted else "Clean", number + 1, len(taken))
    return rows


def search(
    vectors: npt.NDArray[np.floating],
    categories: npt.NDArray[np.str_],
    gallery: npt.NDArray[np.floating],
    gallery_categories: npt.NDArray[np.str_],
    compared: slice,
    seed: int | None,
) -> Searches:
    """Search for every drawing in the whole gallery, or in some of it by chance.

    `vectors` (n, dim + 1) and `gallery` (m, dim + 1) are extended: :mod:`retrieval.hubness`. With a
    `seed`, each drawing has SEARCHES galleries of its own.
    """
    chance = np.random.default_rng(seed)
    rows, right, names = [], [], []
    for vector, category in zip(vectors, categories, strict=True):
        for _ in range(1 if seed is None else SEARCHES):
            kept = np.arange(len(gallery))
            if seed is not None:
                kept = _some(chance, gallery_categories, str(category))
            stock, labels = gallery[kept], gallery_categories[kept]
            order = np.argsort(-(stock @ vector), kind="stable")[: ranking.POOL]
            pool = stock[order]
            part = pool[:, compared]
            part = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9)
            shown = ranking.varied(pool @ vector, part, ranking.VARIED)
            rows.append(confidence.figures(vector, pool, compared))
            right.append(bool((labels[order[shown]] == category).any()))
            names.append(str(category))
    return Searches(np.array(rows), np.array(right), np.array(names))


def _some(
    chance: np.random.Generator, categories: npt.NDArray[np.str_], mine: str
) -> npt.NDArray[np.int64]:
    """Choose a gallery: some of the photos, now and then none of the drawing's category."""
    size = int(np.exp(chance.uniform(np.log(_FEWEST), np.log(len(categories)))))
    kept = chance.permutation(len(categories))[: max(size, _FEWEST)]
    if chance.random() < _ABSENT:
        kept = kept[categories[kept] != mine]
    elif not (categories[kept] == mine).any():
        kept = np.append(kept, chance.choice(np.flatnonzero(categories == mine)))
    return np.asarray(np.sort(kept))


def fit(searches: Searches, encoder: str) -> confidence.Calibration:
    """Fit the regression. Needs scikit-learn."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra

    mean, spread = searches.figures.mean(axis=0), searches.figures.std(axis=0) + 1e-6
    inputs = confidence.standardised(searches.figures, mean, spread)
    regression = LogisticRegression(max_iter=1000).fit(inputs, searches.right)
    weights = (*regression.coef_[0], *regression.intercept_)
    rounded = (tuple(float(f"{value:.5g}") for value in row) for row in (mean, spread, weights))
    return confidence.Calibration(encoder, *rounded)


def reliability(probabilities: Floats, right: Mask) -> Reliability:
    """Measure calibration (Naeini et al. 2015; Guo et al. 2017, equation 3)."""
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for number in range(BINS):
        mine = place == number
        count = int(mine.sum())
        said = float(probabilities[mine].mean()) if count else 0.0
        was = float(right[mine].mean()) if count else 0.0
        bins.append((count, said, was))
        error += count / len(right) * abs(said - was)
    words = np.array([confidence.level(float(value)) for value in probabilities])
    levels = {
        str(word): (int((words == word).sum()), float(right[words == word].mean()))
        for word in np.unique(words)
    }
    return Reliability(error, len(right), float(right.mean()), bins, levels)


def save(chosen: confidence.Calibration, path: Path) -> None:
    """Write a calibration as JSON for people to read too."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(chosen)) + b"\n")


def table(kept: Mapping[str, Reliability]) -> Table:
    """Return calibration errors as people read them."""
    shown = Table("Searches", "", "ECE", "right", "sure", "guess", "lost", box=None)
    for name, found in kept.items():
        levels = [found.levels.get(word, (0, 0.0)) for word in ("sure", "guess", "lost")]
        words = (f"{share:.0%} of {count}" for count, share in levels)
        shown.add_row(name, str(found.searches), f"{found.error:.3f}", f"{found.right:.3f}", *words)
    return shown


def plot(kept: Mapping[str, Reliability], path: Path) -> None:
    """Draw the reliability diagram. Needs matplotlib."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(5, 4.5), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color="#9aa0a6", linestyle="--", linewidth=1)
    for name, found in kept.items():
        some = [(said, was, count) for count, said, was in found.bins if count >= 8]
        said, was, _ = zip(*some, strict=True)
        axes.plot(said, was, marker="o", markersize=4, label=f"{name} (ECE {found.error:.3f})")
    axes.set(xlabel="confidence", ylabel="right among the first five", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", frameon=False)
    figure.savefig(path)
