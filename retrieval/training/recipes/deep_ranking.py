"""Deep Ranking: a multi-scale network and triplets sampled by pairwise relevance.

Wang et al. 2014, "Learning fine-grained image similarity with deep ranking", arXiv 1404.4661. The
relevance of two pictures of one category is, as in the paper, the similarity of features that were
there before: those of the untouched backbone, here between a drawing's own photo and the other
photo. What is in another category has relevance 0.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from retrieval.encoder.network import TrunkSpec
from retrieval.training import teacher
from retrieval.training.examples import Examples, Part
from retrieval.training.objectives import triplet
from retrieval.training.recipes.base import Options, PixelRecipe

_BUFFER = 8  # photos of a category that compete to be the positive, as in the paper's buffers
_LEAST_GAP = 0.05  # of relevance between a positive and a negative of the same category
_OUT_OF_CATEGORY = 0.6  # share of negatives


class DeepRanking(PixelRecipe):
    """Hinge on squared distances of unit rows; online sampling by relevance (section 5)."""

    name = "deep-ranking"
    shared = "everything"
    multi_scale = True

    def __init__(self, examples: Examples, training: Part, options: Options) -> None:
        """Compute what relevance is measured by: features of every photo, once."""
        super().__init__(examples, training, options)
        plain = TrunkSpec(options.backbone, options.size)
        levels = teacher.photo_levels(plain, examples, options.cache, options.weights)
        pooled = levels[0][:, 0].float()
        self.features = pooled - pooled.mean(dim=0)

    def losses(self) -> dict[str, torch.Tensor]:
        """Draw triplets; see the base class."""
        sketches = self.sampler.some_sketches(self.options.batch)
        positives, negatives = self.triplets(sketches)
        drawn, taken = self.embed(sketches, torch.cat([positives, negatives]))
        near, far = taken.chunk(2)
        return {"ranking": triplet(drawn, near, far)}

    def triplets(self, sketches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Choose a positive and a negative photo (n,) for each drawing (n,)."""
        candidates = torch.stack([self.sampler.same_category(sketches) for _ in range(_BUFFER)], 1)
        candidates[:, 0] = self.sampler.positives(sketches)
        relevance = self.relevance(sketches, candidates)
        rows = torch.arange(len(sketches))
        best = torch.multinomial(relevance.clamp(min=1e-6), 1)[:, 0]
        gap = relevance[rows, best][:, None] - relevance
        harder = (gap >= _LEAST_GAP) & (candidates != candidates[rows, best][:, None])
        inside = harder.any(dim=1) & (torch.rand(len(sketches)) >= _OUT_OF_CATEGORY)
        within = torch.multinomial(harder.float() + 1e-9, 1)[:, 0]
        outside = self.sampler.other_category(sketches)
        return candidates[rows, best], torch.where(inside, candidates[rows, within], outside)

    def relevance(self, sketches: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
        """Return how relevant photos (n, m) of a drawing's category are to it, 0 to 1.

        A drawing without a photo of its own finds all of them equally relevant.
        """
        own = self.examples.own_photo[sketches]
        mine = self.features[own.clamp(min=0)][:, None]
        cosine = functional.cosine_similarity(mine, self.features[photos], dim=-1).clamp(0, 1)
        return torch.where(own[:, None] >= 0, cosine, torch.tensor(0.5))

    def pictures(self) -> int:
        """See the base class."""
        return 3 * self.options.batch
