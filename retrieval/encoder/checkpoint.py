"""Checkpoints: one safetensors file with weights and what they mean.

Reading and writing that file, nothing else. The file is read once, hashed, and the very bytes that
were hashed are the ones parsed. `torch.load` must not enter here: a pickle can run code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Final

import safetensors.torch
from safetensors import SafetensorError

from retrieval.encoder.network import BACKBONES, SketchPhotoNetwork
from retrieval.sketches import CANONICAL_VERSION

FORMAT: Final = 1
_KEY: Final = "magic_pencil"


class EncoderError(RuntimeError):
    """Say why an encoder could not be loaded."""


@dataclasses.dataclass(frozen=True, slots=True)
class Metadata:
    """What a checkpoint says about itself; all of it is needed to use the weights rightly."""

    name: str
    backbone: str
    size: int  # pixels a side
    learned: int
    kept: int
    kept_weight: float
    recipe: str
    canonical_version: int = CANONICAL_VERSION
    format: int = FORMAT

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.learned + self.kept

    def network(self) -> SketchPhotoNetwork:
        """Build the network that the weights fit, untrained."""
        return SketchPhotoNetwork(self.backbone, self.learned, self.kept, self.kept_weight)


def save(path: Path, network: SketchPhotoNetwork, metadata: Metadata) -> str:
    """Write a checkpoint; returns its SHA-256. Matrices are kept in half precision."""
    tensors = {
        name: value.half().contiguous() if value.ndim > 1 else value.float().contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    data = safetensors.torch.save(tensors, {_KEY: json.dumps(dataclasses.asdict(metadata))})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


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
        metadata = _metadata(data)
        network = metadata.network()
        tensors = {name: t.float() for name, t in safetensors.torch.load(data).items()}
        absent, unknown = network.load_state_dict(tensors, strict=False)
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise EncoderError(f"{path.name} is not a Magic Pencil checkpoint: {error}") from error
    absent = [name for name in absent if not name.endswith("num_batches_tracked")]
    if absent or unknown:
        raise EncoderError(f"{path.name} does not fit its network: {[*absent, *unknown][:3]}")
    return network.eval().requires_grad_(False), metadata, found


def _metadata(data: bytes) -> Metadata:
    """Parse the header's metadata; anything unknown is refused rather than guessed."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data):
        raise ValueError("the header is cut off")
    header = json.loads(data[8 : 8 + length])
    fields = json.loads(header["__metadata__"][_KEY])
    known = {field.name for field in dataclasses.fields(Metadata)}
    if not isinstance(fields, dict) or set(fields) != known:
        raise ValueError(f"metadata must hold exactly {sorted(known)}")
    metadata = Metadata(**fields)
    if metadata.format != FORMAT:
        raise ValueError(f"format {metadata.format}, this version reads {FORMAT}")
    if metadata.backbone not in BACKBONES:
        raise ValueError(f"unknown backbone {metadata.backbone!r}")
    if metadata.canonical_version != CANONICAL_VERSION:
        raise ValueError(
            f"trained on canonical sketches version {metadata.canonical_version}, "
            f"this version draws {CANONICAL_VERSION}"
        )
    for number in (metadata.size, metadata.learned, metadata.kept):
        if not isinstance(number, int) or not 0 <= number <= 4096:
            raise ValueError(f"impossible size {number!r}")
    return metadata
