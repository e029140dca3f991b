"""The modern recipe's first phase: fine-tune what sees drawings, beside a frozen photo branch.

Photos stay as ImageNet networks see them, so nothing that these know is forgotten and photos'
features are computed once. The drawing branch's trunk learns from drawings and from the photos' own
edge maps, which exist for any photo, through the heads of two blocks:

* *learned*: both heads learn. Supervised contrast across domains (Khosla et al. 2020), a cosine
  classifier in each domain, each drawing against the other photos of its category for its own
  photo (so that pose and shape count), and each edge map against all photos for its own.
* *kept*: the photo head is fixed, principal components of the frozen pooled features; the drawing
  branch learns to land there. Knows many things that no drawing in training showed.

Beside them the drawing branch keeps ImageNet's classifier: edge maps must predict what the frozen
networks say of their photo, drawings what these say of their category (Liu et al. 2019, "SAKE").
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from retrieval.encoder.network import (
    BlockSpec,
    Branch,
    NetworkSpec,
    SketchPhotoNetwork,
    TrunkSpec,
)
from retrieval.training import teacher, weights
from retrieval.training.augment import vary_sketches
from retrieval.training.examples import Examples, Part, batches
from retrieval.training.objectives import CosineClassifier, contrast, cross_domain_contrast
from retrieval.training.recipes.base import Options, Recipe

_CLASSIFIED: Final = 256  # photos a step that the classifier sees
_MEASURED: Final = 512  # drawings that the first mean is taken over


@dataclasses.dataclass(frozen=True, slots=True)
class Hyper:
    """Losses' weights and sizes: chosen by hand from a few short runs, not searched for."""

    photo_trunks: tuple[tuple[str, int, int], ...] = (
        ("tf_efficientnet_lite0", 224, 4),
        ("tf_efficientnet_lite2", 260, 0),
    )
    grid: int = 4
    layout: int = 8
    kept_weight: float = 0.5
    kept_dim: int = 128
    edges: float = 0.64  # edge maps for each drawing
    gallery: int = 3000  # photos that a batch is contrasted with, at most
    temperature: float = 0.1
    dropout: float = 0.1
    classes: float = 0.5
    instance: float = 0.3
    within: float = 1.0
    edge: float = 0.75
    kept: float = 0.5
    softness: float = 1.0  # temperature of the teachers' predictions
    teacher_edges: float = 0.5
    teacher_sketches: float = 0.25


@dataclasses.dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of drawings (n,), edge maps (m,) and photos (g,), and which belong together."""

    sketches: torch.Tensor
    edges: torch.Tensor
    photos: torch.Tensor
    same: torch.Tensor  # (n, g): of one category
    own: torch.Tensor  # (n, g): the drawing's own photo
    traced: torch.Tensor  # (m, g): the edge map's photo
    known: torch.Tensor  # (g,): of a category that is trained on


class ModernTrunk(Recipe):
    """See the module."""

    name = "trunk"

    def __init__(
        self,
        examples: Examples,
        training: Part,
        options: Options,
        hyper: Hyper | None = None,
    ) -> None:
        """Compute or read the frozen branch's features, and begin where both branches agree."""
        super().__init__(examples, training, options)
        self.hyper = hyper = hyper or Hyper()
        drawn = TrunkSpec(options.backbone, options.size, hyper.grid)
        taken = tuple(TrunkSpec(*parts) for parts in hyper.photo_trunks)
        blocks = (
            BlockSpec(options.dim),
            BlockSpec(hyper.kept_dim, hyper.kept_weight, pooled_only=True),
        )
        self.network = SketchPhotoNetwork(NetworkSpec((drawn,), taken, blocks, layout=hyper.layout))
        self.network.sketch.trunks[0] = weights.pretrained_trunk(drawn, options.weights)
        for number, spec in enumerate(taken):
            self.network.photo.trunks[number] = weights.pretrained_trunk(
                spec, weights_of(spec, options)
            )
        per_trunk = [
            teacher.photo_levels(spec, examples, options.cache, weights_of(spec, options))
            for spec in taken
        ]
        self.levels = [level for levels in per_trunk for level in levels]
        self.said = teacher.predictions(
            [
                (weights.classifier(spec.backbone, weights_of(spec, options)), levels[0][:, 0])
                for spec, levels in zip(taken, per_trunk, strict=True)
            ],
            hyper.softness,
        )
        self.classifiers = nn.ModuleList(
            CosineClassifier(options.dim, len(self.sampler.both)) for _ in range(2)
        )
        self.imagenet = weights.classifier(options.backbone, options.weights)
        self.imagenet.requires_grad_(False)
        self._begin(training)
        self._freeze()

    def pictures(self) -> int:
        """See the base class; photos cost nothing here."""
        return self.options.batch + round(self.hyper.edges * self.options.batch)

    def embed_photo_rows(self, network: SketchPhotoNetwork, rows: torch.Tensor) -> torch.Tensor:
        """See the base class; the trunks are frozen, so their features are at hand."""
        return network.photo.embed(self.chosen(self.levels, rows, 0))

    def losses(self) -> dict[str, torch.Tensor]:
        """Draw drawings, edge maps and photos; see the module."""
        mirror = bool(torch.rand(1) < 0.5)
        batch = self._draw()
        pixels = torch.cat(
            [self.examples.sketch_pixels(batch.sketches), self.examples.edge_pixels(batch.edges)]
        )
        drawn = vary_sketches(pixels.to(self.device), self.options.size, mirror)
        levels = self.network.sketch.levels(drawn)
        learned, kept = self.network.sketch.block_rows(self.network.sketch.centred(levels))
        views = teacher.some_views(len(batch.photos), int(mirror))
        taken = self.network.photo.centred(self.chosen(self.levels, batch.photos, views))
        taken = [functional.dropout(level, self.hyper.dropout) for level in taken]
        near, fixed = self.network.photo.block_rows(taken)
        return {
            **self._learned_losses(learned, near, batch),
            "kept": self._kept_loss(kept, fixed, batch),
            "imagenet": self._imagenet_loss(levels[0], batch),
        }

    def _draw(self) -> _Batch:
        """Draw a batch; all photos that it names are among its photos."""
        sketches = self.sampler.some_sketches(self.options.batch)
        edges = self.sampler.some_photos(round(self.hyper.edges * len(sketches)))
        own = self.examples.own_photo[sketches]
        photos = self.sampler.all_photos
        if len(photos) > self.hyper.gallery:
            some = self.sampler.some_photos(self.hyper.gallery)
            photos = torch.unique(torch.cat([some, own[own >= 0], edges]))
        mine = self.examples.sketch_categories[sketches][:, None]
        theirs = self.examples.photo_categories[photos]
        to = self.device
        return _Batch(
            sketches,
            edges,
            photos,
            same=(mine == theirs).to(to),
            own=(own[:, None] == photos).to(to),
            traced=(edges[:, None] == photos).to(to),
            known=(theirs >= 0).to(to),
        )

    def _learned_losses(
        self, rows: torch.Tensor, photos: torch.Tensor, batch: _Batch
    ) -> dict[str, torch.Tensor]:
        hyper, known = self.hyper, batch.known
        ink, edge = rows[: len(batch.sketches)], rows[len(batch.sketches) :]
        logits = ink @ photos.T / hyper.temperature
        in_category = logits.masked_fill(~batch.same, -torch.inf)
        labels = self.sampler.labels(self.examples.sketch_categories[batch.sketches])
        some = torch.nonzero(known)[:, 0]
        some = some[torch.randperm(len(some))[:_CLASSIFIED]]
        categories = self.examples.photo_categories[batch.photos[some.cpu()]]
        by_sketch, by_photo = self.classifiers
        return {
            "contrast": cross_domain_contrast(
                ink, photos[known], batch.same[:, known], hyper.temperature
            ),
            "instance": hyper.instance * contrast(logits[:, known], batch.own[:, known]),
            "within": hyper.within * contrast(in_category, batch.own),
            "classes": hyper.classes
            * (
                by_sketch(ink, labels.to(self.device))
                + by_photo(photos[some], self.sampler.labels(categories).to(self.device))
            ),
            "edges": hyper.edge * contrast(edge @ photos.T / hyper.temperature, batch.traced),
        }

    def _kept_loss(self, rows: torch.Tensor, photos: torch.Tensor, batch: _Batch) -> torch.Tensor:
        hyper = self.hyper
        logits = rows @ photos.T / hyper.temperature
        ink, edge = logits[: len(batch.sketches)], logits[len(batch.sketches) :]
        return hyper.kept * (
            contrast(ink, batch.same)
            + hyper.instance * contrast(ink, batch.own)
            + hyper.edge * contrast(edge, batch.traced)
        )

    def _imagenet_loss(self, pooled: torch.Tensor, batch: _Batch) -> torch.Tensor:
        """Cross entropy of ImageNet's classes with what the frozen networks said of photos."""
        log = functional.log_softmax(self.imagenet(pooled) / self.hyper.softness, dim=-1)
        ink, edge = log[: len(batch.sketches)], log[len(batch.sketches) :]
        of_category = self.said_of_category[self.examples.sketch_categories[batch.sketches]]
        of_edges = self.said[batch.edges]
        by_category = -(of_category.to(self.device) * ink).sum(dim=1).mean()
        by_photo = -(of_edges.to(self.device) * edge).sum(dim=1).mean()
        return self.hyper.teacher_sketches * by_category + self.hyper.teacher_edges * by_photo

    @torch.no_grad()
    def _begin(self, training: Part) -> None:
        """Set means and heads so that both branches begin in one space, the frozen features'."""
        sketch, photo = self.network.sketch, self.network.photo
        rows = training.photos
        set_means(photo, [level[rows].float().mean(dim=(0, 1)) for level in self.levels])
        drawn = self._drawn_levels(training.sketches)
        set_means(sketch, [torch.cat(level).mean(dim=0) for level in zip(*drawn, strict=True)])
        taken = photo.centred([level[rows, 0].float() for level in self.levels])
        # Learned: what the drawing's trunk sees in photos. Kept: what all photo trunks see.
        count = len(sketch.trunks[0].widths)
        first = components(taken[:count], self.options.dim)
        project((photo.heads[0], sketch.heads[0]), first)
        pooled = components([taken[level] for level in photo.pooled], self.hyper.kept_dim)
        project((photo.heads[1], sketch.heads[1]), pooled)
        self.said_of_category = self._mean_predictions(rows)

    def _drawn_levels(self, sketches: torch.Tensor) -> list[list[torch.Tensor]]:
        """Normalise by the statistics of drawings (Li et al. 2016, "AdaBN"); return their levels.

        Drawings are seen by a trunk that took its statistics from photos until now.
        """
        branch = self.network.sketch
        norms = [m for m in branch.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all that follow
        branch.train()
        some = sketches[torch.randperm(len(sketches))[:_MEASURED]]
        levels = [
            branch.levels(self.examples.sketch_pixels(part).float()) for part in batches(some)
        ]
        for norm in norms:
            norm.momentum = 0.03  # later a running mean over some 30 steps, not timm's 100
        return levels

    def _mean_predictions(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what the frozen networks say of each category's photos: (categories, classes)."""
        categories, said = self.examples.photo_categories[rows], self.said[rows]
        means = said[:1].repeat(len(self.examples.categories), 1)
        for number in set(categories.tolist()) - {-1}:
            means[number] = said[categories == number].mean(dim=0)
        return means

    def _freeze(self) -> None:
        """Leave the photo trunks and the kept photo head as they are."""
        photo = self.network.photo
        photo.trunks.requires_grad_(False)
        photo.heads[1].requires_grad_(False)


def weights_of(spec: TrunkSpec, options: Options) -> Path | None:
    """Return the weights' file that was given, for a trunk of the same backbone."""
    return options.weights if spec.backbone == options.backbone else None


def set_means(branch: Branch, means: list[torch.Tensor]) -> None:
    """Set the means that a branch takes from its levels."""
    for mean, measured in zip(branch.means, means, strict=True):
        mean.copy_(measured)


def project(heads: tuple[nn.Linear, ...], components: torch.Tensor) -> None:
    """Begin heads as projections to components (n, width), of the levels that they have.

    With fewer components than a head is long, the rest of it begins at nought.
    """
    for head in heads:
        width = min(head.in_features, components.shape[1])
        head.weight.zero_()
        head.weight[: len(components), :width].copy_(components[:, :width])
        head.bias.zero_()


def components(levels: list[torch.Tensor], count: int) -> torch.Tensor:
    """Return the first principal components of levels (n, …) side by side: `count`, or all."""
    rows = torch.cat(levels, dim=-1)
    count = min(count, *rows.shape)
    vectors: torch.Tensor = torch.svd_lowrank(rows - rows.mean(dim=0), q=count, niter=4)[2]
    return vectors.T.contiguous()
