"""Checkpoints: one safetensors file with weights and what they mean.

Reading and writing that file, nothing else. The file is read once, hashed, and the very bytes that
were hashed are the ones parsed. `torch.load` must not enter here: a pickle can run code.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

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
            f"The encoder checkpoint {path} is not the one that was released or promoted "
            f"(SHA-256 {found[:12]}…, expected {digest[:12]}…). Install Magic Pencil again, or go "
            "back with `magic-pencil encoder rollback`."
        )
    try:
        metadata = _metadata(data)
        network = SketchPhotoNetwork(metadata.network)
        tensors = {name: t.float() for name, t in safetensors.torch.load(data).items()}
        _, unknown = network.load_state_dict(tensors, strict=False)
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise EncoderError(f"{path.name} is not a Magic Pencil checkpoint: {error}") from error
    wanted = {name for name in own_state(network) if not name.endswith(_COUNTERS)}
    if absent := sorted(wanted - set(tensors)) or unknown:
        raise EncoderError(f"{path.name} does not fit its network: {absent[:3]}")
    return network.eval().requires_grad_(False), metadata, found


def _metadata(data: bytes) -> Metadata:
    """Parse the header's metadata; anything unknown is refused rather than guessed."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data):
        raise ValueError("the header is cut off")
    header = json.loads(data[8 : 8 + length])
    fields = json.loads(header["__metadata__"][_KEY])
    # Versions first, so that an older or newer file is told apart from a broken one.
    if fields.get("format") != FORMAT:
        raise ValueError(f"format {fields.get('format')}, this version reads {FORMAT}")
    metadata = msgspec.convert(fields, Metadata)
    if metadata.canonical_version != CANONICAL_VERSION:
        raise ValueError(
            f"trained on canonical sketches version {metadata.canonical_version}, "
            f"this version draws {CANONICAL_VERSION}"
        )
    return metadata
