"""The modern recipe: a drawing branch fine-tuned in a first phase, then heads fitted anew on it.

The first phase (:mod:`retrieval.training.recipes.modern_trunk`) varies drawings so much that its
heads learn little of where things lie. Here both branches' trunks are frozen, every picture's
features are computed once, as it is and mirrored, and the heads of three blocks are fitted in large
batches with strong dropout:

* *learned*: each drawing against photos for those of its category, against those of its category
  for its own, and each edge map for its own photo.
* *particular*: told only to know a drawing's own photo among those of its category, and each edge
  map's. What it gains by telling photos apart it does not lose by grouping them.
* *kept*: that of the first phase, its photo head still fixed; each drawing against photos for those
  of its category and a little for its own, and each edge map for its own. Photos are compared with
  one another by this block, in which they lie as ImageNet networks see them.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import Final

import torch
from torch.nn import functional

from retrieval.encoder import checkpoint
from retrieval.encoder.network import (
    BlockSpec,
    Branch,
    NetworkSpec,
    SketchPhotoNetwork,
    fold_batch_norm,
)
from retrieval.training import teacher
from retrieval.training.examples import Examples, Part
from retrieval.training.objectives import contrast
from retrieval.training.recipes.base import Options, Recipe
from retrieval.training.recipes.modern_trunk import (
    ModernTrunk,
    components,
    project,
    set_means,
    weights_of,
)

_BLOCKS: Final = ("learned", "particular", "kept")
_KEPT: Final = _BLOCKS.index("kept")


@dataclasses.dataclass(frozen=True, slots=True)
class Hyper:
    """Chosen by hand from some runs on one split, not searched for."""

    learned: int = 192
    particular: int = 128
    batch: int = 200  # drawings, and as many edge maps
    gallery: int = 900  # photos beside their own
    temperature: float = 0.1
    edge: float = 0.75
    # Of learned, particular, kept:
    weights: tuple[float, float, float] = (1.0, 1.5, 0.5)
    dropout: tuple[float, float, float] = (0.3, 0.2, 0.3)
    category: tuple[float, float, float] = (1.0, 0.0, 1.0)
    instance: tuple[float, float, float] = (1.0, 1.0, 0.3)


class Modern(Recipe):
    """See the module; `options.start` is the first phase's checkpoint."""

    name = "modern"
    before = ModernTrunk
    schedule = MappingProxyType({"rate": 4e-4, "decay": 0.01, "average": 0.98})
    most_steps = 300
    by_softmax = True

    def __init__(
        self, examples: Examples, training: Part, options: Options, hyper: Hyper | None = None
    ) -> None:
        """Compute every picture's features with the trunks of the first phase."""
        super().__init__(examples, training, options)
        if options.start is None:
            raise ValueError("these heads need the checkpoint of a first phase")
        self.hyper = hyper = hyper or Hyper()
        began, metadata, digest = checkpoint.load(options.start)
        spec = metadata.network
        dims = (hyper.learned, hyper.particular, spec.blocks[1].dim)
        blocks = tuple(
            BlockSpec(dim, weight, pooled_only=number == _KEPT, compares_photos=number == _KEPT)
            for number, (dim, weight) in enumerate(zip(dims, hyper.weights, strict=True))
        )
        self.network = SketchPhotoNetwork(
            NetworkSpec(spec.sketch, spec.photo, blocks, layout=spec.layout)
        )
        for branch, known in (
            (self.network.sketch, began.sketch),
            (self.network.photo, began.photo),
        ):
            branch.trunks.load_state_dict(known.trunks.state_dict())
            branch.means.load_state_dict(known.means.state_dict())
            branch.heads[_KEPT].load_state_dict(known.heads[1].state_dict())
            branch.trunks.requires_grad_(False)
        self.network.photo.heads[_KEPT].requires_grad_(False)
        fold_batch_norm(began)
        self.drawn, self.traced = teacher.drawn_levels(
            began.sketch, digest, examples, options.cache
        )
        taken = [
            teacher.photo_levels(trunk, examples, options.cache, weights_of(trunk, options))
            for trunk in spec.photo
        ]
        self.taken = [level for levels in taken for level in levels]
        self._begin(training)

    def pictures(self) -> int:
        """See the base class; everything is computed before the first step."""
        return 0

    def embed_photo_rows(self, network: SketchPhotoNetwork, rows: torch.Tensor) -> torch.Tensor:
        """See the base class; features are at hand."""
        return network.photo.embed(self.chosen(self.taken, rows, 0))

    def embed_sketch_rows(self, network: SketchPhotoNetwork, rows: torch.Tensor) -> torch.Tensor:
        """See the base class; features are at hand."""
        return network.sketch.embed(self.chosen(self.drawn, rows, 0))

    def losses(self) -> dict[str, torch.Tensor]:
        """Draw drawings, edge maps and photos, all mirrored or none; see the module."""
        hyper, examples = self.hyper, self.examples
        mirror = int(torch.rand(1) < 0.5)
        sketches = self.sampler.some_sketches(hyper.batch)
        edges = self.sampler.some_photos(hyper.batch)
        own = examples.own_photo[sketches]
        others = self.sampler.some_photos(hyper.gallery)
        photos = torch.unique(torch.cat([own[own >= 0], edges, others]))
        kinds = torch.randint(self.traced[0].shape[1], (len(edges),))
        ink = self.chosen(self.drawn, sketches, mirror)
        edge = [level[edges, kinds, mirror].to(self.device).float() for level in self.traced]
        drawn = [torch.cat(pair) for pair in zip(ink, edge, strict=True)]
        taken = self.chosen(self.taken, photos, teacher.some_views(len(photos), mirror))
        same = examples.sketch_categories[sketches][:, None] == examples.photo_categories[photos]
        mine = own[:, None] == photos
        source = edges[:, None] == photos
        same, mine, source = (pairs.to(self.device) for pairs in (same, mine, source))
        losses = {}
        for number, name in enumerate(_BLOCKS):
            rows = self._block(self.network.sketch, drawn, number)
            logits = rows @ self._block(self.network.photo, taken, number).T / hyper.temperature
            asked, traced = logits[: len(sketches)], logits[len(sketches) :]
            losses[name] = (
                hyper.category[number] * contrast(asked, same)
                + hyper.instance[number] * contrast(asked.masked_fill(~same, -torch.inf), mine)
                + hyper.edge * contrast(traced, source)
            )
        return losses

    def _block(self, branch: Branch, levels: list[torch.Tensor], number: int) -> torch.Tensor:
        """Map levels to unit rows of one block, some features dropped."""
        share = self.hyper.dropout[number]
        centred = [functional.dropout(level, share) for level in branch.centred(levels)]
        return branch.block_row(centred, number)

    @torch.no_grad()
    def _begin(self, training: Part) -> None:
        """Centre on what training shows, and begin where the two branches see the same."""
        sketch, photo = self.network.sketch, self.network.photo
        set_means(sketch, [level[training.sketches].float().mean((0, 1)) for level in self.drawn])
        set_means(photo, [level[training.photos].float().mean((0, 1)) for level in self.taken])
        drawn = sketch.centred(self.chosen(self.drawn, training.sketches, 0))
        taken = photo.centred(self.chosen(self.taken, training.photos, 0))
        # The levels that both branches have; the map of ink and further trunks begin at nought.
        shared = len(sketch.trunks[0].widths)
        both = [torch.cat(pair) for pair in zip(drawn[:shared], taken[:shared], strict=True)]
        for number, dim in enumerate((self.hyper.learned, self.hyper.particular)):
            heads = (sketch.heads[number], photo.heads[number])
            project(heads, components(both, dim))
