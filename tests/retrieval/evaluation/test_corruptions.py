"""Drawings in every disguise stay recognisable; clean ones stay as they were."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from retrieval import images, sketches
from retrieval.evaluation import corruptions
from tests import drawings

# A line that is cut off, blurred or eight per cent wide cannot come back whole.
LOSSY = {"cropped", "blurred", "thick", "coloured in"}


def canonical(image: Image.Image) -> np.ndarray:
    soft = sketches.canonicalise(image).subject.filter(ImageFilter.GaussianBlur(6))
    values = 255.0 - np.asarray(soft, float)
    return values / np.linalg.norm(values)


@pytest.mark.parametrize("kind", sorted(set(corruptions.KINDS) - LOSSY))
def test_a_corrupted_drawing_becomes_nearly_the_same_sketch(kind: str) -> None:
    likeness = []
    for seed, name in enumerate(("fish", "teapot", "giraffe")):
        clean = drawings.render(name, 256, 3)
        for strength in corruptions.STRENGTHS:
            sent = images.decode(corruptions.corrupt(kind, clean, strength, seed))
            likeness.append(float((canonical(clean) * canonical(sent)).sum()))
    assert np.mean(likeness) > 0.85, likeness


@pytest.mark.parametrize("kind", corruptions.KINDS)
def test_a_corruption_is_the_same_for_the_same_seed_and_changes_with_strength(kind: str) -> None:
    clean = drawings.render("fish", 256, 3)
    weak, same, strong = (corruptions.corrupt(kind, clean, n, 4) for n in (1, 1, 3))
    assert weak == same != strong
