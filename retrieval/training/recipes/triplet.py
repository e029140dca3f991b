"""The Sketchy Database's networks: a branch for each domain, trained by triplets.

Sangkloy, Burnell, Ham and Hays 2016, "The Sketchy Database: learning to retrieve badly drawn
bunnies", section 5: the anchor is a drawing, the positive the very photo it was made from; half of
the negatives here are other photos of its category, for the fine-grained part. The best of the
paper adds a classification loss in both branches.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from retrieval.training.examples import Examples, Part
from retrieval.training.objectives import triplet
from retrieval.training.recipes.base import Options, PixelRecipe


class Triplet(PixelRecipe):
    """Triplets alone."""

    name = "triplet"
    shared = "nothing"

    def losses(self) -> dict[str, torch.Tensor]:
        """Draw triplets; see the base class."""
        return self._triplets()[0]

    def pictures(self) -> int:
        """See the base class."""
        return 3 * self.options.batch

    def _triplets(self) -> tuple[dict[str, torch.Tensor], list[tuple[torch.Tensor, torch.Tensor]]]:
        """Return the losses, and rows of both domains with their categories."""
        sketches = self.sampler.some_sketches(self.options.batch)
        positives = self.sampler.positives(sketches)
        same = self.sampler.same_category(sketches)
        fine = (torch.arange(len(sketches)) % 2 == 0) & (same != positives)
        negatives = torch.where(fine, same, self.sampler.other_category(sketches))
        photos = torch.cat([positives, negatives])
        drawn, taken = self.embed(sketches, photos)
        near, far = taken.chunk(2)
        labelled = [
            (drawn, self.sampler.labels(self.examples.sketch_categories[sketches])),
            (taken, self.sampler.labels(self.examples.photo_categories[photos])),
        ]
        return {"triplet": triplet(drawn, near, far)}, labelled


class TripletClass(Triplet):
    """Triplets and a softmax classifier in each branch."""

    name = "triplet-class"

    def __init__(self, examples: Examples, training: Part, options: Options) -> None:
        """Add the classifiers."""
        super().__init__(examples, training, options)
        self.classifiers = nn.ModuleList(
            nn.Linear(options.dim, len(self.sampler.both)) for _ in range(2)
        )

    def losses(self) -> dict[str, torch.Tensor]:
        """Draw triplets; see the base class."""
        losses, labelled = self._triplets()
        losses["classification"] = torch.stack(
            [
                functional.cross_entropy(classifier(rows), labels.to(rows.device))
                for classifier, (rows, labels) in zip(self.classifiers, labelled, strict=True)
            ]
        ).sum()
        return losses
