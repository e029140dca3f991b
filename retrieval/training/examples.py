"""Examples in memory: pixels, labels and who belongs to whom, as tensors that recipes draw from.

Knows data sets and splits, no networks and no losses.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from retrieval.training import pictures
from retrieval.training.data import DataSet, Picture


@dataclasses.dataclass(frozen=True, slots=True)
class Examples:
    """Drawings, photos and the photos' edge maps.

    `sketch_categories` (n,) and `photo_categories` (m,) are numbers into `categories`, -1 for a
    photo of no known category; `own_photo` (n,) is the row of the photo that a drawing was made
    from, or -1. Pixels are arrays of uint8 mapped from disk: sketches (n, 2, 256, 256), photos
    (m, 3, side, side), edges (m, kinds, 2, 256, 256).
    """

    categories: tuple[str, ...]
    sketches: pictures.Pixels
    sketch_categories: torch.Tensor
    own_photo: torch.Tensor
    photos: pictures.Pixels
    photo_categories: torch.Tensor
    edges: pictures.Pixels | None

    @property
    def photo_key(self) -> str:
        """Name the photos' pixels: what is computed from them may be kept under it."""
        return Path(getattr(self.photos, "filename", "")).stem

    @property
    def drawn_key(self) -> str:
        """Name the pixels of the drawings and edge maps, in the same way."""
        files = (getattr(pixels, "filename", "") for pixels in (self.sketches, self.edges))
        return " ".join(Path(file).stem for file in files)

    def sketch_pixels(self, rows: torch.Tensor) -> torch.Tensor:
        """Return drawings as uint8 (len(rows), 2, 256, 256)."""
        return torch.from_numpy(self.sketches[rows.numpy()])

    def photo_pixels(self, rows: torch.Tensor) -> torch.Tensor:
        """Return photos as uint8 (len(rows), 3, side, side)."""
        return torch.from_numpy(self.photos[rows.numpy()])

    def edge_pixels(self, rows: torch.Tensor) -> torch.Tensor:
        """Return one edge map of each photo, of a random kind: uint8 (len(rows), 2, 256, 256)."""
        if self.edges is None:
            raise ValueError("these examples were read without edge maps")
        kinds = torch.randint(self.edges.shape[1], (len(rows),))
        return torch.from_numpy(self.edges[rows.numpy(), kinds.numpy()])


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Rows of the examples that belong together, as training's or a validation's."""

    sketches: torch.Tensor
    photos: torch.Tensor


def read_examples(
    data: DataSet, others: tuple[Picture, ...], side: int, cache: Path, *, with_edges: bool
) -> Examples:
    """Read pictures, or map those read before; `others` are photos of no category, put last."""
    names = tuple(data.categories)
    number = {name: index for index, name in enumerate(names)}
    taken = (*data.photos, *others)
    rows = {photo.instance: row for row, photo in enumerate(data.photos)}
    own = [rows.get(s.instance, -1) for s in data.sketches]
    known = [number[photo.category] for photo in data.photos]
    return Examples(
        names,
        pictures.sketches(data.sketches, cache),
        torch.tensor([number[sketch.category] for sketch in data.sketches]),
        torch.tensor(own),
        pictures.photographs(taken, side, cache),
        torch.tensor(known + [-1] * len(others)),
        pictures.edge_maps(taken, cache) if with_edges else None,
    )


def part(data: DataSet, chosen: DataSet, others: int = 0) -> Part:
    """Return the rows, in examples of `data`, of a part of it; with the `others` put last."""
    sketches, photos = ({p.path for p in pictures} for pictures in (chosen.sketches, chosen.photos))
    total = len(data.photos)
    rows = [row for row, photo in enumerate(data.photos) if photo.path in photos]
    return Part(
        torch.tensor([row for row, s in enumerate(data.sketches) if s.path in sketches]),
        torch.tensor(rows + list(range(total, total + others))),
    )


def batches(rows: torch.Tensor, count: int = 64) -> list[torch.Tensor]:
    """Cut rows (n,) into pieces of `count`, the last one perhaps shorter."""
    return [rows[start : start + count] for start in range(0, len(rows), count)]


class Sampler:
    """Draws rows of a part at random, from torch's default generator; with replacement.

    Being without memory it needs nothing saved but the generator's state.
    """

    def __init__(self, examples: Examples, training: Part) -> None:
        self.own_photo = examples.own_photo
        self.sketch_categories = examples.sketch_categories
        self.all_photos = training.photos
        count = len(examples.categories)
        self.sketches = _by_category(examples.sketch_categories, training.sketches, count)
        self.photos = _by_category(examples.photo_categories, training.photos, count)
        both = [c for c in range(count) if len(self.sketches[c]) and len(self.photos[c])]
        if len(both) < 2:
            raise ValueError("training needs two or more categories that have drawings and photos")
        self.both = torch.tensor(both)
        # A drawing's own photo must be in the same part, or it would leak from a held-out one.
        own = self.own_photo[training.sketches]
        if not bool(torch.isin(own[own >= 0], training.photos).all()):
            raise ValueError("a drawing in training has its photo outside of training")

    def labels(self, categories: torch.Tensor) -> torch.Tensor:
        """Number the categories that are trained on 0, 1, … for a classifier."""
        return torch.searchsorted(self.both, categories)

    def some_categories(self, count: int) -> list[int]:
        """Choose different categories that have drawings and photos; fewer if there are fewer."""
        chosen: list[int] = self.both[torch.randperm(len(self.both))[:count]].tolist()
        return chosen

    def some_sketches(self, count: int) -> torch.Tensor:
        """Choose drawings (count,): a category first, so that rare ones count as much."""
        return _one_of_each(self.sketches, self.both[torch.randint(len(self.both), (count,))])

    def some_photos(self, count: int) -> torch.Tensor:
        """Choose photos (count,), also of no category; different ones as far as there are."""
        return self.all_photos[torch.randperm(len(self.all_photos))[:count]]

    def photos_of(self, categories: torch.Tensor) -> torch.Tensor:
        """Return every photo of these categories."""
        return torch.cat([self.photos[number] for number in set(categories.tolist())])

    def positives(self, sketches: torch.Tensor) -> torch.Tensor:
        """Choose each drawing's own photo, or one of its category where that is not known."""
        own = self.own_photo[sketches]
        return torch.where(own >= 0, own, self.same_category(sketches))

    def same_category(self, sketches: torch.Tensor) -> torch.Tensor:
        """Choose a photo of each drawing's category."""
        return _one_of_each(self.photos, self.sketch_categories[sketches])

    def other_category(self, sketches: torch.Tensor) -> torch.Tensor:
        """Choose a photo of another category than each drawing's."""
        mine = self.labels(self.sketch_categories[sketches])
        shift = torch.randint(1, len(self.both), mine.shape)
        return _one_of_each(self.photos, self.both[(mine + shift) % len(self.both)])


def _by_category(categories: torch.Tensor, rows: torch.Tensor, count: int) -> list[torch.Tensor]:
    return [rows[categories[rows] == category] for category in range(count)]


def _one_of_each(rows: list[torch.Tensor], categories: torch.Tensor) -> torch.Tensor:
    chance = torch.rand(len(categories))
    chosen = [
        rows[c][int(x * len(rows[c]))]
        for c, x in zip(categories.tolist(), chance.tolist(), strict=True)
    ]
    return torch.stack(chosen)
