"""The network computes what it claims, folded or not, shared or not."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from retrieval.encoder.network import (
    BlockSpec,
    NetworkSpec,
    SketchPhotoNetwork,
    Trunk,
    TrunkSpec,
    fold_batch_norm,
    ink_map,
)

TINY = "test_efficientnet"
PIXELS = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 255


def network(shared: Any = "nothing", photo: tuple[TrunkSpec, ...] | None = None) -> Any:
    torch.manual_seed(0)
    trunk = TrunkSpec(TINY, 96, grid=2)
    blocks = (BlockSpec(16), BlockSpec(8, 0.25))
    made = SketchPhotoNetwork(NetworkSpec((trunk,), photo or (trunk,), blocks, shared))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that make a difference
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    return made.eval()


@pytest.mark.parametrize("backbone", [TINY, "tf_efficientnet_lite0"])
def test_folding_batch_norm_changes_nothing_but_the_cost(backbone: str) -> None:
    plain = network(photo=(TrunkSpec(backbone, 96, grid=2), TrunkSpec(backbone, 64)))
    folded = copy.deepcopy(plain)
    fold_batch_norm(folded)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        expected = plain.embed_photos(PIXELS)
        torch.testing.assert_close(folded.embed_photos(PIXELS), expected, rtol=0, atol=1e-4)
        expected = plain.embed_sketches(PIXELS[:, :2])
        torch.testing.assert_close(
            folded.embed_sketches(PIXELS[:, :2]), expected, rtol=0, atol=1e-4
        )


def test_each_block_has_its_share_of_the_cosine() -> None:
    made = network()
    with torch.inference_mode():
        rows, others = made.embed_sketches(PIXELS), made.embed_photos(PIXELS)
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
        cosines = [
            nn.functional.cosine_similarity(rows[:, part], others[:, part])
            for part in (slice(0, 16), slice(16, 24))
        ]
        torch.testing.assert_close(
            (rows * others).sum(dim=1), 0.8 * cosines[0] + 0.2 * cosines[1], atol=1e-5, rtol=0
        )


def test_photos_are_compared_by_the_block_that_says_so_else_by_all() -> None:
    trunk = (TrunkSpec(TINY, 96),)
    blocks = (BlockSpec(16), BlockSpec(8, compares_photos=True), BlockSpec(4))
    assert NetworkSpec(trunk, trunk, blocks).compared == slice(16, 24)
    assert NetworkSpec(trunk, trunk, blocks[::2]).compared == slice(0, 20)
    with pytest.raises(ValueError, match="one block or by all"):
        NetworkSpec(trunk, trunk, blocks[1:2] * 2)


def test_each_domain_is_centred_on_its_own_mean() -> None:
    made = network(shared="trunks")
    with torch.inference_mode():
        before = made.embed_photos(PIXELS)
        made.sketch.means[0] += 1
        torch.testing.assert_close(made.embed_photos(PIXELS), before)
        made.photo.means[0] += 1
        assert not torch.allclose(made.embed_photos(PIXELS), before)


@pytest.mark.parametrize(
    ("shared", "same_trunk", "same_head"),
    [("everything", True, True), ("trunks", True, False), ("nothing", False, False)],
)
def test_branches_share_what_is_said(shared: str, same_trunk: bool, same_head: bool) -> None:
    made = network(shared=shared)
    assert (made.sketch.trunks[0] is made.photo.trunks[0]) is same_trunk
    assert (made.sketch.heads[0] is made.photo.heads[0]) is same_head


def test_pooled_features_are_the_backbones_own() -> None:
    trunk = Trunk(TrunkSpec("tf_efficientnet_lite0", 64, grid=2)).eval()
    pixels = PIXELS[:, :, :64, :64]
    with torch.inference_mode():
        pooled, cells = trunk(pixels)
        torch.testing.assert_close(pooled, trunk.backbone((pixels - 127) / 128))
    assert cells.shape == (2, 112 * 4)


def test_the_grid_knows_where_things_are() -> None:
    """A picture shifted from left to right changes the grid's halves, the pooled features less."""
    trunk = Trunk(TrunkSpec(TINY, 128, grid=2)).eval()
    left = torch.full((1, 3, 128, 128), 255.0)
    left[:, :, 20:100, 8:48] = 0
    with torch.inference_mode():
        (_, one), (_, other) = trunk(left), trunk(left.flip(-1))
    one, other = one.view(-1, 2, 2), other.view(-1, 2, 2)
    crossed = (one - other.flip(-1)).norm()
    assert crossed < 0.7 * (one - other).norm()


def test_a_picture_of_another_size_is_resized() -> None:
    trunk = Trunk(TrunkSpec(TINY, 64)).eval()
    small = nn.functional.interpolate(PIXELS, size=(64, 64), mode="bilinear", antialias=True)
    with torch.inference_mode():
        torch.testing.assert_close(trunk(PIXELS)[0], trunk(small)[0])


def test_values_are_scaled_as_each_backbone_was_trained() -> None:
    lite, tiny = Trunk(TrunkSpec("tf_efficientnet_lite0", 64)), Trunk(TrunkSpec(TINY, 64))
    assert (float(lite.shift[0]), float(lite.scale[0])) == (127, 128)
    assert float(tiny.shift[0]) == pytest.approx(0.485 * 255)
    assert float(tiny.scale[2]) == pytest.approx(0.225 * 255)


def test_drawings_have_a_map_of_ink_and_some_blocks_see_pooled_features_alone() -> None:
    trunk = TrunkSpec(TINY, 96, grid=2)
    blocks = (BlockSpec(16), BlockSpec(8, pooled_only=True))
    torch.manual_seed(0)
    made = SketchPhotoNetwork(NetworkSpec((trunk,), (trunk, trunk), blocks, layout=4)).eval()
    widths = [256, made.sketch.trunks[0].widths[1], 16]
    assert [len(mean) for mean in made.sketch.means] == widths
    assert [head.in_features for head in made.sketch.heads] == [sum(widths), 256]
    assert made.photo.heads[1].in_features == 512
    drawn = PIXELS[:, :2].clone()
    with torch.inference_mode():
        one = made.embed_sketches(drawn)
        drawn[:, 1] = 255
        drawn[:, 1, :24, :24] = 0
        other = made.embed_sketches(drawn)
    torch.testing.assert_close(one[:, 16:], other[:, 16:])
    assert (one - other)[:, :16].abs().max() > 1e-3


def test_the_map_of_ink_has_it_where_it_lies() -> None:
    page = torch.full((1, 1, 64, 64), 255.0)
    page[:, :, :32, 32:] = 0
    cells = ink_map(page, 4).view(4, 4)
    assert cells[0, 3] == cells.max() > 4 * cells[3, 0]
    assert cells[3, 0] == 0


def test_multi_scale_adds_shallow_paths() -> None:
    trunk = Trunk(TrunkSpec(TINY, 96, multi_scale=True)).eval()
    with torch.inference_mode():
        widths = [level.shape[1] for level in trunk(PIXELS)]
    assert widths == trunk.widths == [256, 3072]


@pytest.mark.parametrize(
    "changes",
    [
        {"sketch": []},
        {"blocks": []},
        {"blocks": [{"dim": 100_000}]},
        {"blocks": [{"dim": 8, "weight": 0}]},
        {"photo": [{"backbone": "hf-hub:someone/something", "size": 64}]},
        {"photo": [{"backbone": "no_such_net", "size": 64}]},
        {"photo": [{"backbone": TINY, "size": 100_000}]},
        {"photo": [{"backbone": TINY, "size": 64, "surprise": 1}]},
        {"photo": [{"backbone": TINY, "size": 96}], "shared": "trunks"},
        {"shared": "perhaps"},
        {"shared": "everything", "layout": 4},
    ],
)
def test_a_spec_that_cannot_be_built_is_refused(changes: dict[str, Any]) -> None:
    trunk = {"backbone": TINY, "size": 64}
    spec = {"sketch": [trunk], "photo": [trunk], "blocks": [{"dim": 8}]}
    msgspec.convert(spec, NetworkSpec)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(spec | changes, NetworkSpec)
