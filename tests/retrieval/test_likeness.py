"""Copies of a photo are alike, different photos are not, and each pair is told once."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from retrieval.likeness import BYTES, fingerprint, near_duplicates
from tests.drawings import render


def photo(number: int) -> Image.Image:
    """Return a made-up photo with coarse and fine structure."""
    coarse = np.random.default_rng(number).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)


def saved_again(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)


@pytest.mark.parametrize(
    "change",
    [
        saved_again,
        lambda image: image.resize((210, 160)),
        lambda image: image.point(lambda tone: min(255, int(tone * 1.15))),
        lambda image: ImageOps.crop(image, 6),
    ],
    ids=["saved again", "smaller", "brighter", "cropped"],
)
def test_a_copy_is_near_and_another_photo_is_not(change) -> None:
    stock = {str(number): fingerprint(photo(number)) for number in range(12)}
    copy = {"copy": fingerprint(change(photo(7)))}
    assert [pair[:2] for pair in near_duplicates(copy, stock | copy)] == [("copy", "7")]


def test_a_pair_of_new_photos_is_told_once_and_the_nearest_first() -> None:
    base = bytes(BYTES)
    three = bytes([0b111]) + bytes(BYTES - 1)
    nine = bytes([0xFF, 1]) + bytes(BYTES - 2)
    found = near_duplicates(
        {"a": base, "b": base, "c": three}, {"a": base, "b": base, "c": three, "d": nine}
    )
    assert [(frozenset(pair[:2]), pair[2]) for pair in found] == [
        (frozenset("ab"), 0),
        (frozenset("ac"), 3),
        (frozenset("bc"), 3),
        (frozenset("cd"), 6),
    ]


def test_nothing_new_or_nothing_else_is_no_pair() -> None:
    assert near_duplicates({}, {"a": bytes(BYTES)}) == []
    assert near_duplicates({"a": bytes(BYTES)}, {"a": bytes(BYTES)}) == []


def test_a_plain_picture_has_a_fingerprint() -> None:
    assert len(fingerprint(Image.new("RGB", (1, 1), "red"))) == BYTES
    assert len(fingerprint(render("fish").convert("RGB"))) == BYTES
