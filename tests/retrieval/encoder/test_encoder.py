"""The shipped encoder: shapes, sameness, and that it really knows something."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from retrieval.encoder import Encoder, EncoderError, load_encoder
from retrieval.encoder.encoder import SHIPPED, SHIPPED_DIGEST
from retrieval.images import decode, flatten
from retrieval.sketches import CANONICAL_VERSION, CanonicalSketch, canonicalise

REPO = Path(__file__).parents[3]
DATA = Path(os.environ.get("MAGIC_PENCIL_DATA", REPO.parent / "shared" / "data")) / "sketchy-mini"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(device="cpu")


def sketch(number: int = 0) -> CanonicalSketch:
    image = Image.new("L", (256, 256), 255)
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 40 + 10 * number, 200, 200), outline=0, width=3)
    pen.line((20, 30 * number, 230, 220), fill=0, width=3)
    return canonicalise(image)


def photo(number: int = 0) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC)


def test_it_says_what_it_is(encoder: Encoder) -> None:
    assert encoder.name == SHIPPED
    assert encoder.digest == SHIPPED_DIGEST
    assert f"sketch{CANONICAL_VERSION}" in encoder.preprocessing
    assert encoder.device == torch.device("cpu")


def test_prepared_pictures_are_small_uint8_tensors(encoder: Encoder) -> None:
    for tensor, channels, side in (
        (encoder.prepare_sketch(sketch()), 2, encoder.sketch_size),
        (encoder.prepare_photo(photo()), 3, encoder.photo_size),
    ):
        assert tensor.dtype == torch.uint8
        assert tensor.shape == (channels, side, side)


def test_embeddings_are_unit_rows(encoder: Encoder) -> None:
    drawn = encoder.embed_sketches([encoder.prepare_sketch(sketch(n)) for n in range(3)])
    taken = encoder.embed_photos([encoder.prepare_photo(photo(n)) for n in range(2)])
    assert drawn.shape == (3, encoder.dim)
    assert taken.shape == (2, encoder.dim)
    for rows in (drawn, taken):
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.embed_sketches([]).shape == (0, encoder.dim)


def test_the_same_picture_gives_the_same_vector_alone_or_in_a_batch(encoder: Encoder) -> None:
    drawn = [encoder.prepare_sketch(sketch(n)) for n in range(4)]
    together = encoder.embed_sketches(drawn)
    np.testing.assert_array_equal(together, encoder.embed_sketches(drawn))
    for row, tensor in zip(together, drawn, strict=True):
        np.testing.assert_allclose(encoder.embed_sketches([tensor])[0], row, atol=1e-4)


def test_the_domains_have_heads_of_their_own(encoder: Encoder) -> None:
    tensor = encoder.prepare_sketch(sketch())
    as_sketch = encoder.embed_sketches([tensor])[0]
    as_photo = encoder.embed_photos([tensor[:1].expand(3, -1, -1)])[0]
    assert float(as_sketch @ as_photo) < 0.95


def test_preparing_is_thread_safe(encoder: Encoder) -> None:
    pictures = [photo(n) for n in range(8)] * 4
    with ThreadPoolExecutor(8) as pool:
        prepared = list(pool.map(encoder.prepare_photo, pictures))
    for tensor, picture in zip(prepared, pictures, strict=True):
        assert torch.equal(tensor, encoder.prepare_photo(picture))


def test_an_unusable_device_is_an_encoder_error() -> None:
    with pytest.raises(EncoderError, match="device"):
        load_encoder(device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(EncoderError, match="cuda"):
            load_encoder(device="cuda")


@pytest.fixture(scope="module")
def real(encoder: Encoder) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """One drawing of each of 26 categories and four photos that it was not drawn from."""
    if not DATA.is_dir():
        pytest.skip("needs the training data (MAGIC_PENCIL_DATA)")
    drawings, photos = [], []
    for folder in sorted((DATA / "sketch").iterdir())[::4]:
        path = min(folder.iterdir())
        drawings.append(encoder.prepare_sketch(canonicalise(decode(path.read_bytes()))))
        others = [
            p for p in sorted((DATA / "photo" / folder.name).iterdir()) if p.stem not in path.name
        ]
        assert len(others) >= 4
        photos += [encoder.prepare_photo(flatten(decode(p.read_bytes()))) for p in others[-4:]]
    return drawings, photos


def hit_at_5(encoder: Encoder, real: tuple[list[torch.Tensor], list[torch.Tensor]]) -> float:
    drawings, photos = encoder.embed_sketches(real[0]), encoder.embed_photos(real[1])
    best = np.argsort(-(drawings @ photos.T), axis=1)[:, :5] // 4
    return float((best == np.arange(len(drawings))[:, None]).any(axis=1).mean())


def test_shipped_weights_find_the_right_photos(
    encoder: Encoder, real: tuple[list[torch.Tensor], list[torch.Tensor]]
) -> None:
    """A floor, not a score: these categories were trained on (see docs/model-card.md)."""
    assert hit_at_5(encoder, real) >= 0.8


def test_random_weights_would_not_pass_the_floor(
    encoder: Encoder, real: tuple[list[torch.Tensor], list[torch.Tensor]]
) -> None:
    torch.manual_seed(0)
    untrained = load_encoder(device="cpu")
    for module in untrained.network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.reset_parameters()
    assert hit_at_5(untrained, real) < 0.5
