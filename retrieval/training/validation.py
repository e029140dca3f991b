"""Measure a network during training, on drawings that training never sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch

from retrieval import evaluation
from retrieval.encoder.network import SketchPhotoNetwork
from retrieval.training.examples import Examples, Part
from retrieval.training.recipes.base import Recipe

MOST: Final = 2000  # drawings a part: enough to compare by, soon done
FIGURES: Final = ("map", "hit_at_1", "hit_at_5", "recall_at_1_within_category")


def validator(
    recipe: Recipe, examples: Examples, parts: dict[str, Part]
) -> Callable[[SketchPhotoNetwork], dict[str, float]] | None:
    """Return a function that measures a network on every part that has drawings; None if none has.

    Figures are named `<part>_<figure>`. `score`, by which checkpoints are chosen, is the mean of
    the parts' mAP: a network should be good at what it has seen and at what it has not.
    """
    asked = {name: _few(part) for name, part in parts.items() if len(part.sketches)}
    if not asked:
        return None

    def measure(network: SketchPhotoNetwork) -> dict[str, float]:
        figures: dict[str, float] = {}
        with torch.inference_mode():
            for name, part in asked.items():
                scores = evaluation.evaluate(*_embedded(recipe, examples, network, part))
                figures |= {
                    f"{name}_{key}": round(scores.mean(key), 5)
                    for key in FIGURES
                    if scores.counted(key)
                }
        score = sum(figures[f"{name}_map"] for name in asked) / len(asked)
        return {"score": score, **figures}

    return measure


def _few(part: Part) -> Part:
    step = -(-len(part.sketches) // MOST)
    return Part(part.sketches[::step], part.photos)


def _embedded(
    recipe: Recipe, examples: Examples, network: SketchPhotoNetwork, part: Part
) -> tuple[evaluation.Embedded, evaluation.Embedded]:
    own = examples.own_photo[part.sketches]
    queries = evaluation.Embedded(
        recipe.embed_sketch_rows(network, part.sketches).cpu(),
        examples.sketch_categories[part.sketches],
        torch.where(own >= 0, own, evaluation.UNKNOWN),
    )
    gallery = evaluation.Embedded(
        recipe.embed_photo_rows(network, part.photos).cpu(),
        examples.photo_categories[part.photos],
        part.photos,
    )
    return queries, gallery
