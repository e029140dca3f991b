"""An embedder that needs no network, and a process that builds: `building.py HOME NAME MODE ...`.

What an index does does not depend on what an embedding means, so here it is a photo's few colours.
MODE "die-N" ends the process as `kill -9` would after the N-th step (from 0) that it reaches;
"steps" prints each step; "wait" says "encoding" on standard output and goes on when its standard
input ends; "plain" just builds. The embedder's digest, preprocessing and dim may follow.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from retrieval import index, steps
from retrieval.home import Home
from retrieval.index.generation import Manifest
from retrieval.reports import Progress

SIDE = 6


class ColourEmbedder:
    """Embeds a photo as its colours on a coarse grid, and counts what it was given."""

    name = "colours"

    def __init__(
        self, digest: str = "c" * 64, preprocessing: str = "1", dim: int = 3 * SIDE * SIDE
    ) -> None:
        self.digest = digest
        self.preprocessing = preprocessing
        self.dim = dim
        self.embedded = 0

    def prepare_photo(self, image: Image.Image) -> np.ndarray:
        small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
        return np.resize(np.asarray(small, np.float32).ravel() / 255 - 0.6, self.dim)

    def embed_photos(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        self.embedded += len(batch)
        rows = np.stack(batch)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def edit_manifest(path: Path, **changes: object) -> None:
    """Make a manifest say something else, and be as whole as before."""
    told = json.loads(path.read_text()) | changes
    with contextlib.suppress(msgspec.ValidationError):
        told = msgspec.to_builtins(msgspec.convert(told, Manifest).signed())
    path.write_text(json.dumps(told))


def main(home: str, name: str, mode: str, *identity: str) -> None:
    embedder = ColourEmbedder(*identity[:2], *map(int, identity[2:]))
    reached: list[str] = []

    def reach(step: str) -> None:
        reached.append(step)
        if mode == "steps":
            print(step)
        if mode == f"die-{len(reached) - 1}":
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(progress: Progress) -> None:
        encoding = progress.stage == "encoding" and progress.done < progress.total
        if mode == "wait" and encoding:
            print("encoding", flush=True)
            sys.stdin.read()

    steps.reach = reach
    print(index.build(Home(Path(home)), name, embedder, watch).generation)


if __name__ == "__main__":
    main(*sys.argv[1:])
