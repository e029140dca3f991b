"""Where a drawing and a photo agree: what each cell of a picture adds to their similarity.

The similarity is the inner product of two embeddings. An embedding is linear in the cells of its
picture's feature maps, up to two kinds of lengths that it is divided by: a level's is the mean of
its cells, or holds them all; its domain's mean is taken away; a linear head follows. With the
lengths held as they are, every cell adds a number, and these numbers with the heads' biases add up
to the similarity, exactly. (Zhou et al. 2016, "Learning deep features for discriminative
localization", do so for the score of a class; Stylianou, Souvenir and Pless 2019, "Visualizing deep
similarity networks", for two embeddings.)

What is exact is the sum, not the place: a cell of the last layer has seen far beyond its own
borders. A backbone that pools its last features otherwise than by their mean has no such cells.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch.nn import functional

from retrieval.encoder.checkpoint import EncoderError
from retrieval.encoder.network import Branch

SIDE: Final = 56  # cells of a summed map; each level's own lie spread over it


class NoCellsError(EncoderError):
    """The encoder cannot tell which cells of a picture its embedding is made of."""

    def __init__(self) -> None:
        super().__init__("This encoder's embeddings are no sums over the places of a picture.")


class Shares(NamedTuple):
    """What a picture's cells add to a similarity, level by level, each (rows, columns)."""

    levels: list[torch.Tensor]
    unplaced: float  # by the heads' biases, which lie nowhere

    @property
    def similarity(self) -> float:
        """Their sum."""
        return sum(float(level.sum()) for level in self.levels) + self.unplaced


def shares(branch: Branch, pixels: torch.Tensor, other: torch.Tensor) -> Shares:
    """Say what each cell of one picture (1, channels, side, side) adds to its similarity.

    `other` (dim,) is the embedding that it is compared with. Raises NoCellsError.
    """
    maps = branch.maps(pixels)
    levels = branch.pool(maps)
    if any(not _is_mean(levels[number], maps[number]) for number in branch.pooled):
        raise NoCellsError
    pulls, unplaced = _pulls(branch, branch.centred(levels), other)
    summed = []
    for number, (cells, level, pull) in enumerate(zip(maps, levels, pulls, strict=True)):
        mean = branch.means[number]
        pooled = number in branch.pooled
        of_one = (-1, 1, 1) if pooled else cells.shape[1:]
        pull_of_one = (pull / _length(level - mean)).view(of_one)
        amounts = (cells[0].float() - mean.view(of_one)) * pull_of_one
        summed.append(amounts.sum(0) / (amounts[0].numel() if pooled else 1))
    return Shares(summed, unplaced)


def _pulls(
    branch: Branch, centred: list[torch.Tensor], other: torch.Tensor
) -> tuple[list[torch.Tensor], float]:
    """Return vectors (width,) whose products with the levels are their shares, and the biases'.

    The embedding's blocks are head(levels) over its length, times the root of the block's weight.
    """
    pulls = [torch.zeros_like(level[0]) for level in centred]
    total, unplaced, start = sum(block.weight for block in branch.blocks), 0.0, 0
    for block, head in zip(branch.blocks, branch.heads, strict=True):
        used = branch.pooled if block.pooled_only else range(len(centred))
        row = head(torch.cat([centred[level] for level in used], dim=-1))[0]
        towards = other[start : start + block.dim] * (block.weight / total) ** 0.5 / _length(row)
        parts = (towards @ head.weight).split([pulls[level].numel() for level in used])
        for level, part in zip(used, parts, strict=True):
            pulls[level] = pulls[level] + part
        unplaced += float(towards @ head.bias)
        start += block.dim
    return pulls, unplaced


def spread(maps: list[torch.Tensor]) -> torch.Tensor:
    """Add maps of any size up to one of (SIDE, SIDE), smoothly and with the same sum."""
    summed = torch.zeros(SIDE, SIDE, device=maps[0].device)
    for cells in maps:
        rows, columns = (_weights(count, cells.device) for count in cells.shape)
        summed += rows.T @ cells @ columns
    return summed


def _weights(cells: int, device: torch.device) -> torch.Tensor:
    """Return how a row of cells is spread over SIDE finer ones: (cells, SIDE), rows of sum 1."""
    each = torch.eye(cells, device=device)[None]
    fine = functional.interpolate(each, size=SIDE, mode="linear")[0]
    return fine / fine.sum(1, keepdim=True)


def _length(row: torch.Tensor) -> torch.Tensor:
    length: torch.Tensor = row.norm().clamp_min(1e-12)  # as functional.normalize has it
    return length


def _is_mean(level: torch.Tensor, cells: torch.Tensor) -> bool:
    means = cells.float().mean((2, 3)) if cells.ndim == 4 else cells
    return means.shape == level.shape and torch.allclose(means, level, rtol=1e-2, atol=1e-3)
