"""Cut-outs are framed as drawings are; photos are kept whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from retrieval.encoder.preprocessing import prepare_photo, prepare_sketch, version
from retrieval.sketches import CanonicalSketch

SIZE = 224


def object_box(pixels: torch.Tensor, background: tuple[int, int, int]) -> tuple[int, int, int, int]:
    away = (pixels.int() - torch.tensor(background)[:, None, None]).abs().amax(dim=0) > 40
    rows, columns = away.any(dim=1).nonzero(), away.any(dim=0).nonzero()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize("background", [(255, 255, 255), (20, 40, 60)])
@pytest.mark.parametrize("box", [(10, 10, 90, 50), (300, 100, 340, 290), (0, 150, 400, 250)])
def test_a_cut_out_is_centred_with_its_proportions(
    background: tuple[int, int, int], box: tuple[int, int, int, int]
) -> None:
    image = Image.new("RGB", (400, 300), background)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(220, 90, 20))
    left, top, right, bottom = object_box(prepare_photo(image, SIZE), background)
    wide, high = right - left, bottom - top
    assert max(wide, high) == pytest.approx(0.78 * SIZE, abs=5)
    assert wide / high == pytest.approx((box[2] - box[0]) / (box[3] - box[1]), rel=0.1)
    assert (left + right) / 2 == pytest.approx(SIZE / 2, abs=3)
    assert (top + bottom) / 2 == pytest.approx(SIZE / 2, abs=3)


def test_a_photo_is_squeezed_whole() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 60, 3), np.uint8)
    image = Image.fromarray(noise).resize((600, 300), Image.Resampling.NEAREST)
    expected = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR), int)
    assert np.abs(prepare_photo(image, SIZE).permute(1, 2, 0).numpy() - expected).mean() < 8


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (224, 224)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    assert prepare_photo(Image.new("RGB", size, "red"), SIZE).shape == (3, SIZE, SIZE)


def test_a_sketch_is_its_subject_and_its_page() -> None:
    subject, page = Image.new("L", (256, 256), 255), Image.new("L", (256, 256), 255)
    ImageDraw.Draw(subject).ellipse((50, 50, 200, 200), fill=0)
    ImageDraw.Draw(page).ellipse((0, 0, 90, 90), fill=0)
    pixels = prepare_sketch(CanonicalSketch(subject, page), SIZE)
    assert pixels.shape == (2, SIZE, SIZE)
    assert pixels[:, 110, 110].tolist() == [0, 255]
    assert pixels[:, 30, 30].tolist() == [255, 0]


def test_the_version_names_both_sizes() -> None:
    assert len({version(224, 224), version(160, 224), version(224, 160)}) == 3
