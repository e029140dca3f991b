"""Varied sketches are still sketches of the same thing."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw

from retrieval.training.augment import vary_sketches


def arrow(count: int = 1) -> torch.Tensor:
    """An arrow that points to the right."""
    image = Image.new("L", (256, 256), 255)
    pen = ImageDraw.Draw(image)
    pen.line((40, 128, 210, 128), fill=0, width=5)
    pen.line((170, 90, 214, 128, 170, 166), fill=0, width=5)
    return (
        torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        .view(1, 1, 256, 256)
        .repeat(count, 2, 1, 1)
    )


def test_views_differ_and_keep_to_the_range() -> None:
    torch.manual_seed(0)
    views = vary_sketches(arrow(32), 160, mirror=False)
    assert views.shape == (32, 2, 160, 160)
    assert float(views.min()) >= -1e-3
    assert float(views.max()) <= 255 + 1e-3
    subjects = views[:, 0]
    assert float((subjects[:, None] - subjects).abs().amax(dim=(2, 3)).fill_diagonal_(99).min()) > 9
    assert torch.equal(subjects, views[:, 1])  # the page is varied as its subject is


def test_views_keep_most_of_the_ink_on_a_white_page() -> None:
    torch.manual_seed(0)
    ink = (255 - vary_sketches(arrow(64), 160, mirror=False)[:, 0]).clamp(0) / 255
    plain = (255 - arrow()[0, 0].float()).sum() / 255 * (160 / 256) ** 2
    share = ink.sum(dim=(1, 2)) / plain
    assert float(share.min()) > 0.2
    assert float(share.max()) < 3
    assert float(ink[:, :8].mean()) < 0.02  # the margins stay empty


def test_only_mirroring_turns_the_arrow_round() -> None:
    torch.manual_seed(0)
    for mirror in (False, True):
        ink = 255 - vary_sketches(arrow(64), 160, mirror)[:, 0]
        left, right = ink[:, :, :80].sum(dim=(1, 2)), ink[:, :, 80:].sum(dim=(1, 2))
        heads = (left > right) if mirror else (right > left)
        assert float(heads.float().mean()) > 0.9


def test_the_generator_decides_everything() -> None:
    torch.manual_seed(5)
    one = vary_sketches(arrow(4), 96, mirror=False)
    torch.manual_seed(5)
    assert torch.equal(one, vary_sketches(arrow(4), 96, mirror=False))
