"""The network: one frozen backbone, one linear head for drawings and one for photos.

Only layers and arithmetic: no files, no pixels' preprocessing, no devices chosen. An embedding is
two unit vectors side by side, scaled by their weights: a *learned* projection in which drawings and
photos of the same thing meet, and a *kept* projection (principal components of the centred ImageNet
features, the same for both domains) which knows many things the drawings in training never showed.
"""

from __future__ import annotations

from typing import Any, Final

import timm
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

BACKBONES: Final = ("tf_efficientnet_lite0",)


class Head(nn.Module):
    """Centre one domain's features and project them into the learned space.

    `mean` is that domain's mean feature: taking it away removes most of what tells a drawing from a
    photo and leaves what tells a cat from a cup.
    """

    mean: torch.Tensor

    def __init__(self, features: int, learned: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.learned = nn.Linear(features, learned)

    def centred(self, features: torch.Tensor) -> torch.Tensor:
        """Map features (n, features) to unit rows around their domain's mean."""
        return functional.normalize(features - self.mean, dim=-1)

    def forward(self, centred: torch.Tensor) -> torch.Tensor:
        """Map centred features to unit rows (n, learned)."""
        return functional.normalize(self.learned(centred), dim=-1)


class SketchPhotoNetwork(nn.Module):
    """Embed drawings and photos into one space."""

    def __init__(self, backbone: str, learned: int, kept: int, kept_weight: float) -> None:
        super().__init__()
        # pretrained=False: nothing is ever fetched; the weights come from the checkpoint.
        net: Any = timm.create_model(backbone, pretrained=False, num_classes=0)
        self.backbone: nn.Module = net
        width = int(net.num_features)
        self.sketch_head = Head(width, learned)
        self.photo_head = Head(width, learned)
        self.kept = nn.Linear(width, kept, bias=False)
        self.kept_weight = kept_weight

    def embed_sketches(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed scaled pixels (n, 3, size, size) of drawings as unit rows (n, learned + kept)."""
        return self.project(self.backbone(pixels).float(), self.sketch_head)

    def embed_photos(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed scaled pixels (n, 3, size, size) of photos as unit rows (n, learned + kept)."""
        return self.project(self.backbone(pixels).float(), self.photo_head)

    def project(self, features: torch.Tensor, head: Head) -> torch.Tensor:
        """Map backbone features (n, width) of one domain to embeddings."""
        centred = head.centred(features)
        kept = functional.normalize(self.kept(centred), dim=-1)
        both = torch.cat([head(centred), self.kept_weight * kept], dim=-1)
        return functional.normalize(both, dim=-1)


def fold_batch_norm(module: nn.Module) -> None:
    """Fold each BatchNorm into the convolution before it, in place; for inference only.

    timm's BatchNormAct2d carries its activation, which stays. The sum is the same to rounding.
    """
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and isinstance(previous[1], nn.Conv2d):
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batch_norm(child)
        previous = (name, child)
