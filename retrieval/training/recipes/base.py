"""What every recipe is: a network, what else is trained beside it, and one step's losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

import torch
from torch import nn

from retrieval.encoder.network import (
    BlockSpec,
    Branch,
    NetworkSpec,
    SketchPhotoNetwork,
    TrunkSpec,
)
from retrieval.training import weights
from retrieval.training.augment import vary_sketches
from retrieval.training.examples import Examples, Part, Sampler, batches

_MEASURED: Final = 128  # pictures that the first means are taken over


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen for every recipe; `weights` is a file, else ImageNet's are taken."""

    backbone: str = "tf_efficientnet_lite0"
    size: int = 160
    batch: int = 24
    dim: int = 256
    weights: Path | None = None
    cache: Path = Path()
    start: Path | None = None  # the checkpoint of the phase before, set by the plan


class Recipe(nn.Module):
    """Trains `network` by the sum of `losses()`, which draws its own batch at random."""

    name: ClassVar[str]
    before: ClassVar[type[Recipe] | None] = None  # a phase whose checkpoint this one starts from
    schedule: ClassVar[Mapping[str, Any]] = MappingProxyType({})  # what it has of its own
    most_steps: ClassVar[int | None] = None
    by_softmax: ClassVar[bool] = False  # over photos: then an inverted one helps in searching
    network: SketchPhotoNetwork

    def __init__(self, examples: Examples, training: Part, options: Options) -> None:
        super().__init__()
        self.examples = examples
        self.options = options
        self.sampler = Sampler(examples, training)

    def losses(self) -> dict[str, torch.Tensor]:
        """Draw a batch and return its losses, already weighted, by name."""
        raise NotImplementedError

    def groups(self) -> Iterator[tuple[float, list[nn.Parameter]]]:
        """Yield parameters with the factor by which their rate exceeds the trunks'."""
        trunks = {id(p) for b in self.branches() for p in b.trunks.parameters()}
        learned = [p for p in self.parameters() if p.requires_grad]
        yield 1.0, [p for p in learned if id(p) in trunks]
        yield 5.0, [p for p in learned if id(p) not in trunks]

    def pictures(self) -> int:
        """Count the pictures that one step carries through a trunk, forwards and backwards."""
        raise NotImplementedError

    def embed_photo_rows(self, network: SketchPhotoNetwork, rows: torch.Tensor) -> torch.Tensor:
        """Embed photos of the examples (len(rows), dim) by `network`, of the recipe's own kind."""
        device = next(network.parameters()).device
        parts = [
            network.embed_photos(self.examples.photo_pixels(some).to(device).float())
            for some in batches(rows)
        ]
        return torch.cat(parts)

    def embed_sketch_rows(self, network: SketchPhotoNetwork, rows: torch.Tensor) -> torch.Tensor:
        """Embed drawings of the examples, as they are (len(rows), dim), by `network`."""
        device = next(network.parameters()).device
        parts = [
            network.embed_sketches(self.examples.sketch_pixels(some).to(device).float())
            for some in batches(rows)
        ]
        return torch.cat(parts)

    def chosen(
        self, levels: list[torch.Tensor], rows: torch.Tensor, views: torch.Tensor | int
    ) -> list[torch.Tensor]:
        """Take a view of each row from cached levels (n, views, width), for the network to use."""
        return [level[rows, views].to(self.device).float() for level in levels]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        device: torch.device = self.network.sketch.heads[0].weight.device
        return device

    def branches(self) -> list[Branch]:
        """Return the network's branches, the same one twice if it is a Siamese network."""
        return [self.network.sketch, self.network.photo]


class PixelRecipe(Recipe):
    """A recipe whose two branches both learn from pixels, each batch decoded and varied anew."""

    shared: ClassVar[Literal["everything", "trunks", "nothing"]]
    multi_scale: ClassVar[bool] = False

    def __init__(self, examples: Examples, training: Part, options: Options) -> None:
        super().__init__(examples, training, options)
        trunk = TrunkSpec(options.backbone, options.size, multi_scale=self.multi_scale)
        blocks = (BlockSpec(options.dim),)
        spec = NetworkSpec((trunk,), (trunk,), blocks, shared=self.shared)
        self.network = SketchPhotoNetwork(spec)
        state = weights.backbone(options.backbone, options.weights).state_dict()
        for branch in self.branches():
            branch.trunks[0].backbone.load_state_dict(state)
        self._centre(training)

    def embed(
        self, sketches: torch.Tensor, photos: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed rows of drawings, varied, and rows of photos; all mirrored or none."""
        mirror = bool(torch.rand(1) < 0.5)
        device = next(self.parameters()).device
        drawn = vary_sketches(
            self.examples.sketch_pixels(sketches).to(device), self.options.size, mirror
        )
        taken = self.examples.photo_pixels(photos).to(device).float()
        taken = taken.flip(-1) if mirror else taken
        return self.network.embed_sketches(drawn), self.network.embed_photos(taken)

    @torch.no_grad()
    def _centre(self, training: Part) -> None:
        """Take each branch's mean from some of its pictures; a shared branch's from both kinds."""
        mixed = self.network.sketch is self.network.photo
        sketches = [self._sketch_levels(training), *([self._photo_levels(training)] * mixed)]
        _set_means(self.network.sketch, sketches)
        if not mixed:
            _set_means(self.network.photo, [self._photo_levels(training)])

    def _sketch_levels(self, training: Part) -> list[torch.Tensor]:
        some = training.sketches[torch.randperm(len(training.sketches))[:_MEASURED]]
        return self.network.sketch.eval().levels(self.examples.sketch_pixels(some).float())

    def _photo_levels(self, training: Part) -> list[torch.Tensor]:
        some = training.photos[torch.randperm(len(training.photos))[:_MEASURED]]
        return self.network.photo.eval().levels(self.examples.photo_pixels(some).float())


def _set_means(branch: Branch, kinds: list[list[torch.Tensor]]) -> None:
    for mean, *levels in zip(branch.means, *kinds, strict=True):
        mean.copy_(torch.cat(levels).mean(dim=0))
