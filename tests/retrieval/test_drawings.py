"""A drawing's file goes the way of an upload's bytes, with the same limits."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from retrieval import drawings, images, sketches
from tests.drawings import render, render_png


def test_a_file_and_an_upload_of_the_same_bytes_are_the_same_drawing(tmp_path):
    data = render_png("fish")
    (tmp_path / "fish.png").write_bytes(data)
    read, sent = drawings.read(tmp_path / "fish.png"), drawings.decode(data)
    assert read.sketch == sent.sketch == sketches.canonicalise(images.decode(data))
    assert read.image.size == (400, 400)


def test_a_file_has_the_limit_of_an_upload(tmp_path):
    # Bytes after a picture's end are no fault, so that the size alone decides.
    data = render_png("fish").ljust(images.MAX_BYTES, b"\0")
    (tmp_path / "full.png").write_bytes(data)
    assert drawings.read(tmp_path / "full.png").sketch.subject.mode == "L"
    (tmp_path / "over.png").write_bytes(data + b"\0")
    with pytest.raises(images.ImageError) as caught:
        drawings.read(tmp_path / "over.png")
    assert caught.value.reason == "too_large"


def test_chalk_is_shown_on_black_and_ink_on_white():
    chalk = Image.new("RGBA", (400, 400), (255, 255, 255, 0))
    chalk.putalpha(render("fish").convert("L").point(lambda tone: 255 - tone))
    ink = render("fish", background=(0, 0, 0, 0))
    for image, paper in ((chalk, 0), (ink, 255)):
        flat = drawings.Drawing(image, *sketches.trace(image)).flattened()
        assert flat.mode == "RGB"
        assert np.median(np.asarray(flat)) == paper


def test_a_blank_drawing_is_refused(tmp_path):
    Image.new("RGB", (99, 99), "white").save(tmp_path / "blank.png")
    with pytest.raises(sketches.BlankDrawingError):
        drawings.read(tmp_path / "blank.png")
