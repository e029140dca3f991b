"""Checkpoints: one safetensors file with weights and what they mean.

Reading and writing that file, nothing else. The file is read once, hashed, and the very bytes that
were hashed are the ones parsed. `torch.load` must not enter here: a pickle can run code.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from retrieval.encoder.network import NetworkSpec, SketchPhotoNetwork
from retrieval.sketches import CANONICAL_VERSION

FORMAT: Final = 2
_KEY: Final = "magic_pencil"
_COUNTERS: Final = "num_batches_tracked"  # no use without training


class EncoderError(RuntimeError):
    """Say why an encoder could not be loaded."""


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a checkpoint says about itself; all of it is needed to use the weights rightly."""

    name: str
    network: NetworkSpec
    recipe: str
    canonical_version: int = CANONICAL_VERSION
    format: int = FORMAT


def save(path: Path, network: SketchPhotoNetwork, metadata: Metadata) -> str:
    """Write a checkpoint; returns its SHA-256. Matrices are kept in half precision."""
    tensors = {
        name: value.half().contiguous() if value.ndim > 1 else value.float().contiguous()
        for name, value in own_state(network).items()
        if not name.endswith(_COUNTERS)
    }
    data = safetensors.torch.save(tensors, {_KEY: msgspec.json.encode(metadata).decode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
    return hashlib.sha256(data).hexdigest()


def own_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a module's state; what two names share is there once, under the first of them."""
    seen: set[int] = set()
    own = {}
    for name, value in module.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            own[name] = value.detach()
    return own


def load(path: Path, digest: str | None = None) -> tuple[SketchPhotoNetwork, Metadata, str]:
    """Read a checkpoint: the network in evaluation mode, its metadata and the file's SHA-256.

    With `digest` given, a file with another SHA-256 is refused. Raises EncoderError.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EncoderError(
            f"Cannot read the encoder checkpoint {path}: {error.strerror}"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if digest is not None and found != digest:
        raise EncoderError(
            f"The encoder checkpoint {path.name} is not the one this version was released with "
            f"(SHA-256 {found[:12]}…, expected {digest[:12]}…). Install Magic Pencil again."
        )
    try:
        metadata, old = _metadata(data)
        network = SketchPhotoNetwork(metadata.network)
        tensors = {name: t.float() for name, t in safetensors.torch.load(data).items()}
        if old:
            tensors = _renamed(tensors)
        _, unknown = network.load_state_dict(tensors, strict=False)
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise EncoderError(f"{path.name} is not a Magic Pencil checkpoint: {error}") from error
    wanted = {name for name in own_state(network) if not name.endswith(_COUNTERS)}
    if absent := sorted(wanted - set(tensors)) or unknown:
        raise EncoderError(f"{path.name} does not fit its network: {absent[:3]}")
    return network.eval().requires_grad_(False), metadata, found


def _metadata(data: bytes) -> tuple[Metadata, bool]:
    """Parse the header's metadata; anything unknown is refused rather than guessed.

    Also says whether the file is of format 1.
    """
    length = int.from_bytes(data[:8], "little")
    if length > len(data):
        raise ValueError("the header is cut off")
    header = json.loads(data[8 : 8 + length])
    fields = json.loads(header["__metadata__"][_KEY])
    old = fields.get("format") == 1
    if old:
        fields = _second_format(fields)
    # Versions first, so that an older or newer file is told apart from a broken one.
    if fields.get("format") != FORMAT:
        raise ValueError(f"format {fields.get('format')}, this version reads {FORMAT}")
    metadata = msgspec.convert(fields, Metadata)
    if metadata.canonical_version != CANONICAL_VERSION:
        raise ValueError(
            f"trained on canonical sketches version {metadata.canonical_version}, "
            f"this version draws {CANONICAL_VERSION}"
        )
    return metadata, old


def _second_format(fields: dict[str, Any]) -> dict[str, Any]:
    """Say in format 2 what a file of format 1 says; the encoder shipped first is one."""
    trunk = {"backbone": fields["backbone"], "size": fields["size"]}
    blocks = [
        {"dim": fields["learned"], "weight": 1.0},
        {"dim": fields["kept"], "weight": fields["kept_weight"] ** 2},
    ]
    network = {"sketch": [trunk], "photo": [trunk], "blocks": blocks, "shared": "trunks"}
    # Its subject is drawn as ever; it does not look at the page.
    kept = {"name": fields["name"], "recipe": fields["recipe"]}
    return {**kept, "canonical_version": CANONICAL_VERSION, "network": network, "format": FORMAT}


def _renamed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give tensors of format 1 their names of format 2."""
    renamed = {
        name.replace("backbone.", "sketch.trunks.0.backbone.", 1): value
        for name, value in tensors.items()
        if name.startswith("backbone.")
    }
    for domain in ("sketch", "photo"):
        renamed[f"{domain}.means.0"] = tensors[f"{domain}_head.mean"]
        for part in ("weight", "bias"):
            renamed[f"{domain}.heads.0.{part}"] = tensors[f"{domain}_head.learned.{part}"]
        kept = tensors["kept.weight"]
        renamed[f"{domain}.heads.1.weight"] = kept
        renamed[f"{domain}.heads.1.bias"] = torch.zeros(len(kept))
    return renamed
