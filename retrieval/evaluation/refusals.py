"""How well photos, writing, noise and empty pages are told from drawings, and the numbers for it.

Drawings are real ones, clean and corrupted; photos are real; the rest is made up. Half of the
categories and files choose the numbers, the other half is reported: never the same.
"""

from __future__ import annotations

import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from retrieval import images, library, readahead
from retrieval.evaluation import corruptions, impostors
from retrieval.evaluation.folders import Picture
from retrieval.sketches import NotADrawingError, judgement, paper
from retrieval.sketches.canonical import find_marks

MADE: Final = 300  # of each made-up kind, in each half
_REFUSED: Final = 0.008  # share of the drawings that the bar may refuse when it is chosen
_STRENGTH: Final = 0.5  # of the regularisation, scikit-learn's C

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture that must, or must not, pass for a drawing, and how it is made."""

    kind: str  # "drawing" or why it is to be refused
    detail: str  # the corruption, for drawings
    make: Callable[[], Image.Image]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of a sample: "drawing" or the reason; and its statistics, if it has any."""

    sample: Sample
    verdict: str
    statistics: npt.NDArray[np.float32] | None


class Refusals(msgspec.Struct, frozen=True):
    """Verdicts by kind of sample, and the share of drawings refused by corruption."""

    verdicts: dict[str, dict[str, int]]
    refused: dict[str, float]

    def share(self, kind: str) -> float:
        """Return the share of a kind that was not taken for a drawing."""
        counts = self.verdicts[kind]
        return 1 - counts.get("drawing", 0) / max(1, sum(counts.values()))


def samples(
    drawings: Sequence[Picture], photos: Sequence[Path], *, fitting: bool
) -> Iterator[Sample]:
    """Yield one half of all samples: that which numbers are chosen on, or that which is reported.

    Every drawing is there as it is and in one corruption, each in its turn.
    """
    half = 0 if fitting else 1
    kinds = list(corruptions.KINDS)
    mine = [drawing for drawing in drawings if _half(str(drawing.category)) == half]
    for number, drawing in enumerate(mine):
        path = drawing.path
        yield Sample("drawing", "clean", lambda path=path: images.decode(path.read_bytes()))  # type: ignore[misc]
        kind, strength = kinds[number % len(kinds)], 1 + number // len(kinds) % 3

        def corrupted(
            path: Path = path, kind: str = kind, strength: int = strength, seed: int = number
        ) -> Image.Image:
            return images.decode(corruptions.corrupt(kind, Image.open(path), strength, seed))

        yield Sample("drawing", kind, corrupted)
    for path in photos:
        if _half(path.name) == half:
            yield Sample("photo", "", lambda path=path: images.decode(path.read_bytes()))  # type: ignore[misc]
    for kind in impostors.KINDS:
        for number in range(MADE):
            seed = 2 * number + half
            yield Sample(kind, "", lambda kind=kind, seed=seed: _made(kind, seed))  # type: ignore[misc]


def _half(name: str) -> int:
    return zlib.crc32(name.encode()) % 2


def _made(kind: str, seed: int) -> Image.Image:
    """Make an impostor, every third one as a JPEG."""
    image = impostors.make(kind, seed)
    if seed % 3:
        return image
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=75)
    return images.decode(file.getvalue())


def pictures(drawings: Path, photos: Sequence[Path]) -> tuple[list[Picture], list[Path]]:
    """List drawings, in folders by category, and photos, wherever they lie in their folders."""
    drawn = [Picture(path, path.parent.name, None) for path in sorted(drawings.glob("*/*"))]
    taken = [path for folder in photos for path in sorted(folder.rglob("*"))]
    suffixes = library.SUFFIXES
    return (
        [picture for picture in drawn if picture.path.suffix.lower() in suffixes],
        [path for path in taken if path.suffix.lower() in suffixes],
    )


def judge(chosen: Sequence[Sample], model: judgement.Model, report: Progress) -> list[Judged]:
    """Say of every sample what the bot would say with a model."""

    def one(sample: Sample) -> Judged:
        try:
            marks = find_marks(paper.visible(sample.make()))
        except NotADrawingError as error:
            return Judged(sample, error.reason, None)
        found = judgement.statistics(marks)
        return Judged(sample, model.verdict(found) or "drawing", found)

    judged: list[Judged] = []
    with readahead.readers() as pool:
        for batch in readahead.batches(one, chosen, pool):
            judged += batch
            report("Judging", len(judged), len(chosen))
    return judged


def summary(judged: Sequence[Judged]) -> Refusals:
    """Count verdicts."""
    verdicts: dict[str, Counter[str]] = {}
    details: dict[str, list[bool]] = {}
    for item in judged:
        verdicts.setdefault(item.sample.kind, Counter())[item.verdict] += 1
        if item.sample.kind == "drawing":
            details.setdefault(item.sample.detail, []).append(item.verdict != "drawing")
    return Refusals(
        {kind: dict(counts) for kind, counts in verdicts.items()},
        {detail: float(np.mean(refused)) for detail, refused in details.items()},
    )


def fit(judged: Sequence[Judged]) -> judgement.Model:
    """Fit the logistic regression to samples, and choose its bar. Needs scikit-learn.

    The kinds weigh the same. The bar is the lowest at which few enough drawings are refused.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra

    rows = [item for item in judged if item.statistics is not None and item.sample.kind != "blank"]
    values = np.stack([item.statistics for item in rows if item.statistics is not None])
    labels = np.array([judgement.CLASSES.index(item.sample.kind) for item in rows])
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    inputs = judgement.expanded(values, mean, spread)[:, :-1]
    regression = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=3000)
    regression.fit(inputs, labels)
    weights = np.concatenate([regression.coef_, regression.intercept_[:, None]], axis=1)
    chances = regression.predict_proba(inputs[labels == 0])[:, 1:].max(axis=1)
    drawn = sum(item.sample.kind == "drawing" for item in judged)
    allowed = int(_REFUSED * drawn)
    bar = max(0.5, float(np.sort(chances)[::-1][allowed]))
    numbers = [[float(f"{number:.5g}") for number in row] for row in (mean, spread, *weights)]
    return judgement.Model(
        tuple(numbers[0]), tuple(numbers[1]), tuple(map(tuple, numbers[2:])), round(bar, 4)
    )
