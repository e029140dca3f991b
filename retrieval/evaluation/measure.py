"""Pictures through the encoder, as the bot and the index put them through, and their scores.

Drawings go the way of live ones and photos that of the index build; nothing is prepared specially
for measuring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from retrieval import drawings, hubness, images, photos, readahead, sketches
from retrieval.embeddings import FloatArray
from retrieval.encoder import Encoder
from retrieval.evaluation.folders import Collection, Picture, Unreadable, left_out
from retrieval.evaluation.metrics import (
    UNKNOWN,
    Embedded,
    Scores,
    evaluate,
    rank,
    rank_as_shown,
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured: a row of ``scores`` for each of ``drawings``, its columns the ``gallery``.

    ``drawings`` and ``gallery`` are the pictures that could be read; ``not_counted`` says of which
    categories drawings were left out because there is no photo of theirs, and how many.
    """

    encoder: str  # name and start of the digest, as a match names its encoder
    ranking: str  # "shown" as members see it, or by "similarity" alone
    scores: Scores
    drawings: tuple[Picture, ...]
    gallery: tuple[Picture, ...]
    not_counted: dict[str, int]
    unreadable: tuple[Unreadable, ...]

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """The drawings' categories, (n,)."""
        return np.array([drawing.category for drawing in self.drawings], np.str_)

    @property
    def distractors(self) -> int:
        """How many photos of the gallery are right for no drawing."""
        return sum(picture.category is None for picture in self.gallery)


@dataclass(slots=True)
class ReadPictures:
    """Pictures that could be read, each with its embedding (dim,), and the others."""

    pictures: list[Picture] = field(default_factory=list)
    vectors: list[FloatArray] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def measure(
    encoder: Encoder, collection: Collection, report: Progress, *, by_similarity: bool = False
) -> Measurement:
    """Retrieve a photo for every drawing.

    Args:
        encoder: what is measured.
        collection: see :func:`retrieval.evaluation.read`.
        report: told the stage, how many pictures of it are done, and of how many.
        by_similarity: rank by similarity alone, not in the order in which members are shown.

    Raises:
        OSError: of no category could both a drawing and a photo be read.
    """

    def sketch(path: Path) -> Tensor:
        return encoder.prepare_sketch(drawings.read(path).sketch)

    def photo(path: Path) -> Tensor:
        return encoder.prepare_photo(photos.read(path))

    # Equal scores stand in the gallery's order: a tie with a distractor is not won.
    stock = (*collection.distractors, *collection.photos)
    gallery = embed_pictures(stock, photo, encoder.embed_photos, "Photos", report)
    known = {picture.category for picture in gallery.pictures}
    asked = [picture for picture in collection.drawings if picture.category in known]
    queries = embed_pictures(asked, sketch, encoder.embed_sketches, "Drawings", report)
    unreadable = (*collection.unreadable, *gallery.unreadable, *queries.unreadable)
    if not queries.pictures:
        raise FileNotFoundError(
            "Of no category could both a drawing and a photo be read. The first that could not: "
            f"{unreadable[0].file}: {unreadable[0].reason}"
        )
    lost = Counter(str(p.category) for p in collection.drawings if p.category not in known)
    return Measurement(
        encoder=encoder.label,
        ranking="similarity" if by_similarity else "shown",
        scores=evaluate(
            *_numbered(queries, gallery, None if by_similarity else encoder.hubness),
            lambda done, total: report("Ranking", done, total),
            rank if by_similarity else partial(rank_as_shown, compared=encoder.compared),
        ),
        drawings=tuple(queries.pictures),
        gallery=tuple(gallery.pictures),
        not_counted=collection.not_counted | lost,
        unreadable=unreadable,
    )


def embed_pictures(
    pictures: Sequence[Picture],
    prepare: Callable[[Path], Tensor],
    embed: Callable[[Sequence[Tensor]], FloatArray],
    stage: str,
    report: Progress,
) -> ReadPictures:
    """Read pictures on two threads while the encoder computes on those before them."""

    def read(picture: Picture) -> tuple[Picture, Tensor | None, str]:
        try:
            return picture, prepare(picture.path), ""
        except (images.ImageError, sketches.NotADrawingError) as error:
            return picture, None, str(error)
        except OSError as error:
            return picture, None, error.strerror or "could not be read"

    found = ReadPictures()
    done = 0
    with readahead.readers() as pool:
        for batch in readahead.batches(read, pictures, pool):
            good = [(picture, prepared) for picture, prepared, _ in batch if prepared is not None]
            found.pictures += [picture for picture, _ in good]
            found.vectors += list(embed([prepared for _, prepared in good]))
            found.unreadable += [left_out(p.path, reason) for p, _, reason in batch if reason]
            done += len(batch)
            report(stage, done, len(pictures))
    return found


def _numbered(
    queries: ReadPictures, gallery: ReadPictures, hubs: hubness.Hubness | None
) -> tuple[Embedded, Embedded]:
    """Give categories and photos numbers; distractors get none. Extended, where hubness counts."""
    categories = sorted({picture.category for picture in gallery.pictures if picture.category})
    labels = {category: number for number, category in enumerate(categories)}
    instances: dict[tuple[str | None, str | None], int] = {
        (picture.category, picture.photo): number
        for number, picture in enumerate(gallery.pictures)
        if picture.category is not None
    }

    def embedded(side: ReadPictures, vectors: FloatArray) -> Embedded:
        return Embedded(
            vectors,
            [labels.get(picture.category or "", UNKNOWN) for picture in side.pictures],
            [instances.get((p.category, p.photo), UNKNOWN) for p in side.pictures],
        )

    asked, stock = np.stack(queries.vectors), np.stack(gallery.vectors)
    if hubs is not None:
        asked, stock = hubness.extended_queries(asked), hubs.extended_photos(stock)
    return embedded(queries, asked), embedded(gallery, stock)
