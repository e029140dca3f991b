"""An embedder that needs no network, and a process that builds: `building.py HOME NAME MODE ...`.

What an index does does not depend on what an embedding means, so here it is a photo's few colours.
MODE "die-encoding", "die-writing" and "die-publishing" end the process as `kill -9` would, at that
moment; "wait" says "encoding" on standard output and goes on when its standard input ends; "plain"
just builds. The embedder's digest, preprocessing and dim may follow.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from retrieval import index
from retrieval.home import Home
from retrieval.index import publish
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


def kill_self(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(home: str, name: str, mode: str, *identity: str) -> None:
    embedder = ColourEmbedder(*identity[:2], *map(int, identity[2:]))

    def watch(progress: Progress) -> None:
        if progress.stage == "encoding" and progress.done < progress.total:
            if mode == "die-encoding":
                kill_self()
            if mode == "wait":
                print("encoding", flush=True)
                sys.stdin.read()

    if mode == "die-publishing":
        publish.publish = kill_self
    if mode == "die-writing":
        publish.finish = kill_self
    print(index.build(Home(Path(home)), name, embedder, watch).generation)


if __name__ == "__main__":
    main(*sys.argv[1:])
