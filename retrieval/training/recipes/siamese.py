"""The Siamese network: one branch for both domains, pairs that match or do not.

Bromley et al. 1993, "Signature verification using a Siamese time delay neural network", for the
twin network; Hadsell, Chopra and LeCun 2006 for the loss.
"""

from __future__ import annotations

import torch

from retrieval.training.objectives import contrastive
from retrieval.training.recipes.base import PixelRecipe


class Siamese(PixelRecipe):
    """Half of the pairs match: a quarter by photo, a quarter by category."""

    name = "siamese"
    shared = "everything"

    def losses(self) -> dict[str, torch.Tensor]:
        """Draw pairs; see the base class."""
        count = self.options.batch
        sketches = self.sampler.some_sketches(count)
        kind = torch.arange(count) % 4
        photos = torch.where(
            kind < 2,
            self.sampler.other_category(sketches),
            torch.where(
                kind < 3, self.sampler.same_category(sketches), self.sampler.positives(sketches)
            ),
        )
        drawn, taken = self.embed(sketches, photos)
        return {"contrastive": contrastive(drawn, taken, (kind >= 2).to(drawn.device))}

    def pictures(self) -> int:
        """See the base class."""
        return 2 * self.options.batch
