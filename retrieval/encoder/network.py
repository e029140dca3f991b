"""The network: a branch for drawings and a branch for photos that end in one space.

Only layers and arithmetic: no files, no decoding, no devices chosen. A branch is one or more
*trunks* (backbones, each with its own input size) that give *levels* of features, and a linear head
for each *block* of the embedding. Blocks are scaled to unit length and weighted, so that the inner
product of two embeddings is the weighted mean of the blocks' cosines. The two branches may share
everything (a Siamese network, Bromley et al. 1993), their trunks only, or nothing (Sangkloy et al.
2016).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, cast

import msgspec
import timm
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

_GRID_STRIDE: Final = 16

Dim = Annotated[int, msgspec.Meta(ge=1, le=4096)]
Side = Annotated[int, msgspec.Meta(ge=32, le=1024)]


class TrunkSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backbone by its name in timm, and the pixels a side that it is given.

    `grid` asks for a second level of features: those at 1/16 of the resolution, averaged in a grid
    of so many cells a side, which know where things are and which way they face. `multi_scale` puts
    two shallow networks beside the backbone that see the picture small (Wang et al. 2014, "Deep
    Ranking", figure 3).
    """

    backbone: str
    size: Side
    grid: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    multi_scale: bool = False


class BlockSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the embedding: its length, and the share of its cosine in the whole's.

    A block that is `pooled_only` sees what is there but not where. Photos may be compared with one
    another by a single block, that `compares_photos`, instead of the whole embedding.
    """

    dim: Dim
    weight: Annotated[float, msgspec.Meta(gt=0, le=100)] = 1.0
    pooled_only: bool = False
    compares_photos: bool = False


class NetworkSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything needed to build a network that given weights fit.

    `layout` asks for a map of so many cells a side of where the ink lies on its page, one more
    level of the drawing's branch.
    """

    sketch: tuple[TrunkSpec, ...]
    photo: tuple[TrunkSpec, ...]
    blocks: tuple[BlockSpec, ...]
    shared: Literal["everything", "trunks", "nothing"] = "nothing"
    layout: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if not (self.sketch and self.photo and self.blocks):
            raise ValueError("a network needs a trunk for drawings, one for photos, and a block")
        for trunk in (*self.sketch, *self.photo):
            # A name in timm's own registry; never one that a hub would be asked for.
            if not timm.is_model(trunk.backbone):
                raise ValueError(f"unknown backbone {trunk.backbone!r}")
        if self.shared != "nothing" and self.sketch != self.photo:
            raise ValueError("branches that share their trunks must have the same")
        if self.shared == "everything" and self.layout:
            raise ValueError("photos have no map of ink: a network with one cannot share all")
        if sum(block.compares_photos for block in self.blocks) > 1:
            raise ValueError("photos are compared by one block or by all")

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return sum(block.dim for block in self.blocks)

    @property
    def compared(self) -> slice:
        """Where in an embedding that is by which photos are compared with one another."""
        start = 0
        for block in self.blocks:
            if block.compares_photos:
                return slice(start, start + block.dim)
            start += block.dim
        return slice(0, start)


class Trunk(nn.Module):
    """A backbone and the scaling of values that it was trained with; gives levels of features.

    `widths` are the levels' lengths: the pooled features, then those that the spec asks for.
    """

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, spec: TrunkSpec) -> None:
        super().__init__()
        self.size = spec.size
        self.grid = spec.grid
        # pretrained=False: nothing is ever fetched; the weights come from the checkpoint.
        net: Any = timm.create_model(spec.backbone, pretrained=False, num_classes=0)
        self.backbone: Any = net
        self.widths = [int(net.head_hidden_size)]
        if spec.grid:
            stages = [n for n, s in enumerate(net.feature_info) if s["reduction"] == _GRID_STRIDE]
            if not stages:
                raise ValueError(f"{spec.backbone} has no features at 1/{_GRID_STRIDE}")
            self.stage = stages[-1]
            self.widths.append(net.feature_info[self.stage]["num_chs"] * spec.grid**2)
        self.low: nn.ModuleList | None = None
        if spec.multi_scale:
            self.low = nn.ModuleList(LowResolution(stride) for stride in (4, 8))
            self.widths.append(LowResolution.width * len(self.low))
        shift, scale = pixel_scaling(spec.backbone, net.pretrained_cfg)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Map pixels (n, 3, side, side) of any side, values 0 … 255, to levels (n, width)."""
        return self.pool(self.maps(pixels))

    def maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Map the same to the cells (n, channels, rows, columns) that each level is made of."""
        if pixels.shape[-1] != self.size:
            pixels = functional.interpolate(
                pixels, size=(self.size, self.size), mode="bilinear", antialias=True
            )
        pixels = (pixels - self.shift) / self.scale
        if not self.grid:
            maps = [self.backbone.forward_features(pixels)]
        else:
            last, (middle,) = self.backbone.forward_intermediates(pixels, indices=[self.stage])
            maps = [last, functional.adaptive_avg_pool2d(middle, self.grid)]
        if self.low is not None:
            maps.append(torch.cat([path(pixels) for path in self.low], dim=1))
        return maps

    def pool(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Make levels (n, width) of cells: the backbone pools the first, the others are kept."""
        levels = [self.backbone.forward_head(maps[0]), *(cells.flatten(1) for cells in maps[1:])]
        return [level.float() for level in levels]


def pixel_scaling(backbone: str, config: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what to take from values of 0 … 255 and what to divide by, (3, 1, 1) each."""
    if backbone.startswith("tf_efficientnet_lite"):
        # timm says 127.5 for both; the weights were trained with these.
        return torch.full((3, 1, 1), 127.0), torch.full((3, 1, 1), 128.0)
    mean, std = torch.tensor(config["mean"]), torch.tensor(config["std"])
    return 255 * mean.view(3, 1, 1), 255 * std.view(3, 1, 1)


class LowResolution(nn.Module):
    """A shallow path of a multi-scale network: few layers, few pixels, little invariance."""

    width: Final = 96 * 16

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.layers = nn.Sequential(
            nn.Conv2d(3, 96, 8, stride=4, padding=4),
            nn.BatchNorm2d(96),
            nn.ReLU(inplace=True),
            nn.AdaptiveMaxPool2d(4),
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map scaled pixels (n, 3, side, side) to features (n, 96, 4, 4)."""
        features: torch.Tensor = self.layers(functional.avg_pool2d(pixels, self.stride))
        return features


class Branch(nn.Module):
    """Trunks side by side and a linear head for each block, for one domain.

    `means` are each level's mean feature in that domain: taking it away removes most of what tells
    a drawing from a photo and leaves what tells a cat from a cup.
    """

    def __init__(
        self, trunks: nn.ModuleList, blocks: tuple[BlockSpec, ...], layout: int = 0
    ) -> None:
        super().__init__()
        # ModuleList forgets what it holds; these are a Trunk each and a Linear each.
        self.trunks: Any = trunks
        self.blocks = blocks
        self.layout = layout
        per_trunk = [cast(Trunk, trunk).widths for trunk in trunks]
        widths = [width for some in per_trunk for width in some] + [layout**2] * bool(layout)
        # Of all levels, those that are a trunk's pooled features.
        self.pooled = [sum(len(some) for some in per_trunk[:n]) for n in range(len(per_trunk))]
        self.means = nn.ParameterList(
            nn.Parameter(torch.zeros(width), requires_grad=False) for width in widths
        )
        pooled = sum(widths[level] for level in self.pooled)
        self.heads: Any = nn.ModuleList(
            nn.Linear(pooled if block.pooled_only else sum(widths), block.dim) for block in blocks
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pixels of photos (n, 3, side, side) or drawings (n, 2, …) as unit rows (n, dim)."""
        return self.embed(self.levels(pixels))

    def levels(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Return every trunk's levels of features, in order; of drawings, the map of ink last.

        Values are 0 … 255. Photos have three channels, drawings two: the subject and the page.
        """
        return self.pool(self.maps(pixels))

    def maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Return the cells (n, channels, rows, columns) that each of these levels is made of."""
        drawn = pixels.shape[1] == 2
        seen = pixels[:, :1].expand(-1, 3, -1, -1) if drawn else pixels
        maps = [cells for trunk in self.trunks for cells in trunk.maps(seen)]
        if self.layout:
            maps.append(ink_map(pixels[:, 1:], self.layout))
        return maps

    def pool(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Make levels (n, width) of cells."""
        levels = []
        for trunk, start in zip(self.trunks, self.pooled, strict=True):
            levels += trunk.pool(maps[start : start + len(trunk.widths)])
        return levels + [cells.flatten(1) for cells in maps[len(levels) :]]

    def embed(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Map levels (n, width) to unit rows (n, dim)."""
        rows = self.block_rows(self.centred(levels))
        total = sum(block.weight for block in self.blocks)
        parts = [
            row * (block.weight / total) ** 0.5
            for row, block in zip(rows, self.blocks, strict=True)
        ]
        return torch.cat(parts, dim=-1)

    def block_rows(self, centred: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map centred levels (n, width) to unit rows (n, dim) of each block, not yet weighted."""
        return [self.block_row(centred, number) for number in range(len(self.blocks))]

    def block_row(self, centred: list[torch.Tensor], number: int) -> torch.Tensor:
        """Map centred levels (n, width) to unit rows (n, dim) of one block, not yet weighted."""
        pooled_only = self.blocks[number].pooled_only
        seen = [centred[level] for level in self.pooled] if pooled_only else centred
        return functional.normalize(self.heads[number](torch.cat(seen, dim=-1)), dim=-1)

    def centred(self, levels: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return levels (n, width) as unit rows around their means."""
        return [
            functional.normalize(level - mean, dim=-1)
            for level, mean in zip(levels, self.means, strict=True)
        ]


def ink_map(page: torch.Tensor, cells: int) -> torch.Tensor:
    """Map pages (n, 1, side, side), 0 … 255, to ink in overlapping cells (n, 1, cells, cells)."""
    fine = functional.adaptive_avg_pool2d(255 - page.float(), 4 * cells)
    return functional.avg_pool2d(fine, 8, stride=4, padding=2)


class SketchPhotoNetwork(nn.Module):
    """Embed drawings and photos into one space."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        trunks = nn.ModuleList(Trunk(trunk) for trunk in spec.sketch)
        self.sketch = Branch(trunks, spec.blocks, spec.layout)
        if spec.shared == "everything":
            self.photo = self.sketch
            return
        if spec.shared == "nothing":
            trunks = nn.ModuleList(Trunk(trunk) for trunk in spec.photo)
        self.photo = Branch(trunks, spec.blocks)

    def embed_sketches(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pixels (n, 2, side, side) of drawings, subject and page, as unit rows (n, dim)."""
        rows: torch.Tensor = self.sketch(pixels)
        return rows

    def embed_photos(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pixels (n, 3, side, side) of photos as unit rows (n, dim)."""
        rows: torch.Tensor = self.photo(pixels)
        return rows


def fold_batch_norm(module: nn.Module) -> None:
    """Fold each BatchNorm into the convolution before it, in place; for inference only.

    timm's BatchNormAct2d carries its activation, which stays. The sum is the same to rounding.
    """
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and isinstance(previous[1], nn.Conv2d):
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batch_norm(child)
        previous = (name, child)
