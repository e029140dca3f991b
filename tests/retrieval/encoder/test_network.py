"""The network computes what it claims, folded or not."""

from __future__ import annotations

import copy

import torch
from torch import nn

from retrieval.encoder.network import SketchPhotoNetwork, fold_batch_norm


def network() -> SketchPhotoNetwork:
    torch.manual_seed(0)
    made = SketchPhotoNetwork("tf_efficientnet_lite0", 16, 8, 0.5)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that make a difference
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    return made.eval()


def test_folding_batch_norm_changes_nothing_but_the_cost() -> None:
    plain = network()
    folded = copy.deepcopy(plain)
    fold_batch_norm(folded.backbone)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    pixels = torch.rand(2, 3, 96, 96) * 2 - 1
    with torch.inference_mode():
        before, after = plain.backbone(pixels), folded.backbone(pixels)
        torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))
        torch.testing.assert_close(
            folded.embed_photos(pixels), plain.embed_photos(pixels), rtol=0, atol=1e-4
        )


def test_both_parts_of_an_embedding_have_their_share() -> None:
    with torch.inference_mode():
        rows = network().embed_sketches(torch.rand(3, 3, 64, 64))
    learned, kept = rows[:, :16].norm(dim=1), rows[:, 16:].norm(dim=1)
    torch.testing.assert_close(kept / learned, torch.full((3,), 0.5))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))


def test_each_domain_is_centred_on_its_own_mean() -> None:
    made = network()
    with torch.inference_mode():
        pixels = torch.rand(1, 3, 64, 64)
        before = made.embed_photos(pixels)
        made.sketch_head.mean += 1
        torch.testing.assert_close(made.embed_photos(pixels), before)
        made.photo_head.mean += 1
        assert not torch.allclose(made.embed_photos(pixels), before)
