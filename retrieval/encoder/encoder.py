"""The encoder that the rest of the house uses: tensors in, unit vectors out.

Binds preprocessing, network and checkpoint to a device. No files but the checkpoint, no decoding,
no batching policy: who calls decides what goes together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from retrieval import confidence, hubness
from retrieval.encoder import agreement, checkpoint, preprocessing
from retrieval.encoder.checkpoint import EncoderError, Metadata
from retrieval.encoder.network import SketchPhotoNetwork, fold_batch_norm
from retrieval.sketches import CanonicalSketch

SHIPPED: Final = "lite-modern-1"
SHIPPED_DIGEST: Final = "ad3af2902d5c052042c7c1b9d2b8467f53cf8ae11b0c303979d94679a16e1bfc"
# Together, 16 photos take 1.4 times as long as by fours (measured): what passes from layer to layer
# no longer fits a CPU's cache.
_PHOTOS_ON_A_CPU: Final = 4
WEIGHTS: Final = Path(__file__).parent / "weights"


class Encoder:
    """Embed canonical sketches and photos into one space where near means alike."""

    def __init__(
        self,
        network: SketchPhotoNetwork,
        metadata: Metadata,
        digest: str,
        device: torch.device,
        path: Path,
    ) -> None:
        fold_batch_norm(network)
        # channels_last halves the time of depthwise convolutions on CPUs.
        self.network: SketchPhotoNetwork = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Trunks in half precision where that is fast; heads and norms stay in single.
        self._dtype = torch.float16 if device.type == "cuda" else torch.float32
        for branch in (self.network.sketch, self.network.photo):
            branch.trunks.to(self._dtype)
        self.name = metadata.name
        self.digest = digest
        self.label = f"{metadata.name}@{digest[:8]}"
        spec = metadata.network
        self.dim = spec.dim
        self.compared = spec.compared
        self.sketch_size = max(trunk.size for trunk in spec.sketch)
        self.photo_size = max(trunk.size for trunk in spec.photo)
        # Beside its weights lies what tells how sure its searches are (retrieval.confidence), and
        # how like drawings in general photos are (retrieval.hubness).
        self.calibration = confidence.beside(path)
        self.hubness = _hubness(path, digest, spec.dim)
        self.preprocessing = preprocessing.version(self.sketch_size, self.photo_size)
        self.device = device

    def prepare_sketch(self, sketch: CanonicalSketch) -> torch.Tensor:
        """Turn a canonical sketch into uint8 (2, side, side). Thread-safe."""
        return preprocessing.prepare_sketch(sketch, self.sketch_size)

    def prepare_photo(self, image: Image.Image) -> torch.Tensor:
        """Turn an RGB photo into uint8 (3, side, side). Thread-safe."""
        return preprocessing.prepare_photo(image, self.photo_size)

    def framed_photo(self, image: Image.Image) -> Image.Image:
        """Return what of a photo (RGB) it looks at, before it is squeezed to a square."""
        return preprocessing.framed(image)

    def embed_sketches(self, batch: Sequence[torch.Tensor]) -> npt.NDArray[np.float32]:
        """Embed prepared sketches; returns float32 (n, dim), rows of unit length."""
        return self._embed(batch, self.network.embed_sketches)

    def embed_photos(self, batch: Sequence[torch.Tensor]) -> npt.NDArray[np.float32]:
        """Embed prepared photos; returns float32 (n, dim), rows of unit length."""
        few = _PHOTOS_ON_A_CPU if self.device.type == "cpu" else max(1, len(batch))
        starts = range(0, max(1, len(batch)), few)
        return np.concatenate(
            [self._embed(batch[start : start + few], self.network.embed_photos) for start in starts]
        )

    def agreement(self, pair: Sequence[torch.Tensor]) -> npt.NDArray[np.float32]:
        """Say where a prepared sketch and a prepared photo agree; returns float32 (2, side, side).

        What each place of the sketch's subject, and of the photo, adds to their similarity: see
        :mod:`retrieval.encoder.agreement`. Where the ink lies on its page is left out, because a
        page is not framed as its subject is. Raises NoCellsError.
        """
        drawn, taken = (self.network_input([picture]) for picture in pair)
        sketch, photo = self.network.sketch, self.network.photo
        with torch.inference_mode():
            of_sketch = agreement.shares(sketch, drawn, photo(taken)[0])
            of_photo = agreement.shares(photo, taken, sketch(drawn)[0])
            subject = of_sketch.levels[:-1] if sketch.layout else of_sketch.levels
            maps = agreement.spread(subject), agreement.spread(of_photo.levels)
            return torch.stack(maps).cpu().numpy()

    def network_input(self, batch: Sequence[torch.Tensor]) -> torch.Tensor:
        """Put prepared pictures together as the network takes them, on its device."""
        pixels = torch.stack(list(batch)).to(self.device)
        return pixels.to(self._dtype, memory_format=torch.channels_last)

    def _embed(
        self, batch: Sequence[torch.Tensor], embed: Callable[[torch.Tensor], torch.Tensor]
    ) -> npt.NDArray[np.float32]:
        if not batch:
            return np.zeros((0, self.dim), np.float32)
        with torch.inference_mode():
            rows = embed(self.network_input(batch))
            return np.ascontiguousarray(rows.float().cpu().numpy())


def _hubness(checkpoint: Path, digest: str, dim: int) -> hubness.Hubness:
    try:
        return hubness.load(hubness.beside(checkpoint), digest, dim)
    except OSError as error:
        raise EncoderError(f"Of the encoder {checkpoint.name}: {error}") from error


def shipped() -> Path:
    """Return the checkpoint that comes with this version."""
    return WEIGHTS / f"{SHIPPED}.safetensors"


def load_encoder(
    path: Path | None = None, device: str = "auto", digest: str | None = None
) -> Encoder:
    """Load an encoder; without a path, the one shipped, whose SHA-256 is pinned here.

    `device` is "auto" (CUDA, else MPS, else CPU) or a torch device name; a file whose SHA-256 is
    not `digest` is refused. Raises EncoderError.
    """
    digest = digest if path else SHIPPED_DIGEST
    network, metadata, found = checkpoint.load(path or shipped(), digest)
    return Encoder(network, metadata, found, usable_device(device), path or shipped())


def usable_device(name: str) -> torch.device:
    """Return the device of that name, or the best one for "auto". Raises EncoderError."""
    if name == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderError(f"The device {name!r} cannot be used: {error}") from error
    return device
