"""Where a drawing and a photo agree: the shares add up, and lie where the likeness lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from retrieval import sketches
from retrieval.encoder import Encoder, NoCellsError, load_encoder
from retrieval.encoder.agreement import shares, spread
from retrieval.encoder.network import BlockSpec, NetworkSpec, SketchPhotoNetwork, TrunkSpec
from tests import drawings

TINY = "test_efficientnet"
CHANCE = torch.Generator().manual_seed(1)
DRAWN = torch.rand(1, 2, 96, 96, generator=CHANCE) * 255
TAKEN = torch.rand(1, 3, 96, 96, generator=CHANCE) * 255
PAIRS = (
    ("teapot", "hammer"),
    ("fish", "scissors"),
    ("giraffe", "mug"),
    ("car", "flower"),
    ("guitar", "apple"),
    ("scissors", "duck"),
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(device="cpu")


def network(*trunks: TrunkSpec, **others: Any) -> SketchPhotoNetwork:
    torch.manual_seed(0)
    blocks = (BlockSpec(16), BlockSpec(8, 0.25, pooled_only=True))
    made = SketchPhotoNetwork(NetworkSpec(trunks[:1], trunks, blocks, **others)).eval()
    for mean in (*made.sketch.means, *made.photo.means):
        mean.copy_(torch.rand(mean.shape) * 0.1)
    return made


@pytest.mark.parametrize(
    ("trunks", "others"),
    [
        ((TrunkSpec(TINY, 96),), {"shared": "everything"}),
        ((TrunkSpec(TINY, 96, grid=2), TrunkSpec(TINY, 64)), {"layout": 4}),
        ((TrunkSpec(TINY, 96, grid=3, multi_scale=True),), {}),
        ((TrunkSpec("test_resnet", 96),), {}),
    ],
    ids=["one branch", "two trunks and a map of ink", "three levels", "another backbone"],
)
@torch.inference_mode()
def test_the_shares_of_all_cells_add_up_to_the_similarity(trunks: Any, others: Any) -> None:
    made = network(*trunks, **others)
    drawn, taken = made.sketch(DRAWN)[0], made.photo(TAKEN)[0]
    for branch, pixels, other in ((made.sketch, DRAWN, taken), (made.photo, TAKEN, drawn)):
        found = shares(branch, pixels, other)
        assert found.similarity == pytest.approx(float(drawn @ taken), abs=1e-5)
        assert len(found.levels) == len(branch.means)


def test_the_shipped_encoders_shares_add_up_too(encoder: Encoder) -> None:
    sketch = encoder.network_input([encoder.prepare_sketch(canonical("fish"))])
    photo = encoder.network_input([encoder.prepare_photo(drawings.render("fish", width=20))])
    net = encoder.network
    with torch.inference_mode():
        drawn, taken = net.sketch(sketch)[0], net.photo(photo)[0]
        for found in (shares(net.sketch, sketch, taken), shares(net.photo, photo, drawn)):
            assert found.similarity == pytest.approx(float(drawn @ taken), abs=1e-4)


def test_maps_of_any_size_are_spread_without_loss() -> None:
    maps = [torch.rand(5, 5), torch.rand(9, 7) - 0.5, torch.rand(1, 1)]
    assert float(spread(maps).sum()) == pytest.approx(sum(float(m.sum()) for m in maps), abs=1e-4)


@pytest.mark.parametrize("right", [False, True])
def test_the_agreement_lies_in_the_half_in_which_the_thing_is(
    encoder: Encoder, right: bool
) -> None:
    there = []
    for name, other in PAIRS:
        photo = Image.new("RGB", (600, 300))
        photo.paste(painted(name), (300 * right, 0))
        photo.paste(painted(other), (300 * (not right), 0))
        pair = encoder.prepare_sketch(canonical(name)), encoder.prepare_photo(photo)
        _, of_photo = encoder.agreement(pair)
        left_half, right_half = np.hsplit(of_photo, 2)
        there.append((right_half.sum() > left_half.sum()) == right)
    assert sum(there) >= len(PAIRS) - 1, there


def canonical(name: str) -> sketches.CanonicalSketch:
    return sketches.canonicalise(drawings.render(name))


def painted(name: str) -> Image.Image:
    """Return a thing of one colour before another, with some grain."""
    picture = drawings.render(name, 300, 8, (150, 60, 40), (190, 200, 210))
    grain = np.random.default_rng(0).normal(0, 6, (300, 300, 3))
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))


def test_an_encoder_whose_features_are_no_means_of_cells_says_so() -> None:
    made = network(TrunkSpec("test_vit", 160))
    with torch.inference_mode(), pytest.raises(NoCellsError):
        shares(made.photo, TAKEN, torch.rand(24))
