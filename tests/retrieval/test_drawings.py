"""A drawing's file goes the way of an upload's bytes, with the same limits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageOps

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


def told(change, image=None):
    data = io.BytesIO()
    change(image or render("fish")).save(data, "PNG")
    return drawings.decode(data.getvalue()).steps


def on_rules(image):
    lined = Image.new("RGB", image.size, "white")
    pen = ImageDraw.Draw(lined)
    for y in range(15, 400, 24):
        pen.line((0, y, 400, y), fill="#a8c4e0", width=2)
    return ImageChops.darker(lined, image)


def small(image):
    page = Image.new("RGB", (1600, 1600), "white")
    page.paste(image.resize((240, 240), Image.Resampling.LANCZOS), (1300, 60))
    return page


def noisy(image):
    grain = np.random.default_rng(0).normal(0, 9, (400, 400, 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def lying():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    render("fish").save(turned, "JPEG", exif=exif)
    return turned.getvalue()


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (ImageOps.invert, "inverted"),
        (on_rules, "rules"),
        (small, "enlarged"),
        (noisy, "shadows"),
    ],
)
def test_what_was_done_to_a_drawing_is_told_and_nothing_else(change, step):
    plain = told(lambda image: image)
    assert step not in plain
    assert set(told(change)) - {"cropped"} == {step}


def test_a_clean_drawing_that_fills_its_page_was_only_centred():
    fish = render("fish")
    ink = ImageOps.invert(fish.convert("L")).getbbox()
    filling = ImageOps.expand(fish.crop(ink), 9, "white")
    assert told(lambda image: image, filling) == ()


def test_a_picture_that_lay_on_its_side_was_turned():
    assert "turned" in drawings.decode(lying()).steps
    assert "turned" not in drawings.decode(render_png("fish")).steps
