"""Redrawn sketches stay canonical sketches of the same thing; edges are drawings too."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from retrieval.sketches import SKETCH_SIZE, canonicalise
from retrieval.training.edges import edge_drawing
from retrieval.training.views import vary_sketch


def sketch() -> Image.Image:
    image = Image.new("L", (256, 256), 255)
    ImageDraw.Draw(image).rectangle((60, 90, 200, 180), outline=0, width=3)
    return canonicalise(image)


def test_a_redrawn_sketch_is_canonical_and_different() -> None:
    rng = np.random.default_rng(0)
    views = [np.asarray(vary_sketch(sketch(), rng), float) for _ in range(6)]
    for view in views:
        assert view.shape == (SKETCH_SIZE, SKETCH_SIZE)
        assert np.median(view) == 255
        assert view.min() < 30
    assert all(np.abs(one - views[0]).mean() > 1 for one in views[1:])


def test_views_depend_on_the_generator_alone() -> None:
    one, other = (vary_sketch(sketch(), np.random.default_rng(5)) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_edges_follow_the_outline_of_an_object() -> None:
    photo = Image.new("RGB", (512, 512), (90, 140, 90))
    ImageDraw.Draw(photo).ellipse((100, 100, 400, 400), fill=(230, 220, 200))
    edges = np.asarray(edge_drawing(photo), int)
    assert edges.shape == (256, 256)
    rows, columns = np.nonzero(edges < 128)
    radius = np.hypot(rows - 125, columns - 125)
    assert len(radius) > 300
    assert np.abs(radius - 75).max() < 6


def test_a_plain_photo_has_no_edges() -> None:
    assert np.asarray(edge_drawing(Image.new("RGB", (300, 200), "navy"))).min() == 255
