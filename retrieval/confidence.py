"""How likely it is that one of the first five photos shows what was drawn.

Logistic regression (Platt 1999) over a few figures of the search: how like the drawing the photos
are, how far the first stand out, and how much they agree with one another. Its numbers belong to
one encoder, whose digest they name; `magic-pencil calibrate` chooses them. numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from retrieval import ranking

Floats = npt.NDArray[np.floating]
Level = Literal["sure", "guess", "lost"]

SURE: Final = 0.8
LOST: Final = 0.4
LEAST: Final = 5  # photos found, without which the search says too little


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What turns figures of a search into a probability, for the encoder of that digest.

    `weights` are of each standardised figure, and a constant.
    """

    encoder: str
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]

    def probability(self, figures: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the probabilities (n,) for figures (n, 8) of :func:`figures`."""
        scaled = standardised(figures, self.mean, self.spread)
        logits = scaled @ np.asarray(self.weights[:-1]) + self.weights[-1]
        return np.asarray(1 / (1 + np.exp(-logits)))


def standardised(
    values: Floats, mean: Sequence[float] | Floats, spread: Sequence[float] | Floats
) -> npt.NDArray[np.float64]:
    """Bring figures (n, 8) to mean 0 and spread 1; what lies far out counts no further."""
    return np.asarray(((values - np.asarray(mean)) / np.asarray(spread)).clip(-3, 3))


def figures(query: Floats, pool: Floats, compared: slice) -> npt.NDArray[np.float64]:
    """Return the figures (8,) of a search.

    `query` (dim + 1,) is the drawing's embedding and `pool` (n, dim + 1) are the best photos', best
    first, extended as :mod:`retrieval.hubness` says; `compared` is the part by which photos are
    compared with one another.
    """
    pool = pool[: ranking.POOL]
    scores = pool @ query
    part = pool[:, compared]
    part = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9)
    alike = part @ part.T
    first = min(LEAST, len(pool))
    pairs = alike[np.triu_indices(first, 1)]
    return np.array(
        [
            scores[0],
            scores[:first].mean() - scores.mean(),
            scores[0] - scores[first - 1],
            pairs.mean() if len(pairs) else 1.0,
            alike[:first].mean(),
            alike.mean(),
            np.sort(alike, axis=1)[:, -first:].mean(),
            scores.mean(),
        ]
    )


def level(probability: float) -> Level:
    """Return the word's level for a probability."""
    return "sure" if probability >= SURE else "guess" if probability >= LOST else "lost"


def beside(checkpoint: Path) -> Path:
    """Return where a checkpoint's calibration lies."""
    return checkpoint.with_suffix(".confidence.json")


def read(path: Path) -> Calibration:
    """Read a calibration. Raises OSError if it is not there or is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except msgspec.MsgspecError as error:
        raise OSError(f"{path} is no calibration: {error}") from error


def load(path: Path, encoder: str) -> Calibration | None:
    """Read a calibration; None where there is none, or it was made for another encoder."""
    try:
        found = read(path)
    except OSError:
        return None
    return found if found.encoder == encoder else None
