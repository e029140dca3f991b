"""What stands around the network: how much slower is encoding than the network's bare forward pass?

The two are timed in turns, so that a busy machine slows both.
"""

from __future__ import annotations

import functools
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from PIL import Image, ImageDraw

from retrieval import photos, readahead
from retrieval.encoder import Encoder, checkpoint, load_encoder
from retrieval.encoder.encoder import shipped
from retrieval.sketches import SKETCH_SIZE, canonicalise

PHOTO_SIZE: Final = (1024, 768)  # of the photographs made to be read


class Report(msgspec.Struct, frozen=True):
    """Medians. Ratios of times are over 1 when encoding is slower, of throughputs under 1."""

    encoder: str
    device: str
    threads: int
    sketch_over_bare: float  # time of a drawing, prepared to embedded, over the bare pass's
    photo_over_bare: float  # photos a second from JPEG files, over the bare network's in batches
    sketch_ms_median: float
    photos_per_second: float
    ways_ms: dict[str, float]  # medians of one drawing through the network, each way it can be run


def measure(
    path: Path | None, device: str, folder: Path, count: int, rounds: int, *, compare: bool
) -> Report:
    """Time an encoder on one drawing and on `count` photographs made in `folder`.

    `path` and `device` are those of `load_encoder`. `rounds` is how often the drawing is encoded;
    photographs are encoded three times. With `compare` the network is also run in other ways, of
    which compiling takes a minute. Raises EncoderError.
    """
    encoder = load_encoder(path, device)
    sketch = canonicalise(drawing())
    prepared = encoder.prepare_sketch(sketch)
    pixels = encoder.network_input([prepared])

    def encode() -> None:
        encoder.embed_sketches([encoder.prepare_sketch(sketch)])

    def bare() -> None:
        with torch.inference_mode():
            _wait(encoder.network.embed_sketches(pixels))

    drawn, alone = in_turns([encode, bare], rounds)
    files = make_photos(folder, count)
    batches = [
        encoder.network_input(
            [
                encoder.prepare_photo(photos.read(file))
                for file in files[start : start + readahead.BATCH]
            ]
        )
        for start in range(0, len(files), readahead.BATCH)
    ]

    def from_files() -> None:
        with readahead.readers() as pool:
            for batch in readahead.batches(
                lambda file: encoder.prepare_photo(photos.read(file)), files, pool
            ):
                encoder.embed_photos(batch)

    def bare_batches() -> None:
        with torch.inference_mode():
            for batch in batches:
                _wait(encoder.network.embed_photos(batch))

    read, computed = in_turns([from_files, bare_batches], 3)
    return Report(
        encoder=encoder.label,
        device=str(encoder.device),
        threads=torch.get_num_threads(),
        sketch_over_bare=round(drawn / alone, 3),
        photo_over_bare=round(computed / read, 3),
        sketch_ms_median=round(1000 * drawn, 2),
        photos_per_second=round(len(files) / read, 2),
        ways_ms=_ways(encoder, path or shipped(), pixels, rounds) if compare else {},
    )


def in_turns(work: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Return the median seconds of each, after one round that is not counted."""
    seconds: list[list[float]] = [[] for _ in work]
    for turn in range(rounds + 1):
        for number, function in enumerate(work):
            started = time.perf_counter()
            function()
            if turn:
                seconds[number].append(time.perf_counter() - started)
    return [statistics.median(times) for times in seconds]


def make_photos(folder: Path, count: int) -> list[Path]:
    """Write `count` JPEG files with something on them, as large as a photo on the web."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
        image = Image.fromarray(coarse).resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
        files.append(folder / f"{number}.jpg")
        image.save(files[-1], quality=88)
    return files


def _ways(encoder: Encoder, path: Path, pixels: torch.Tensor, rounds: int) -> dict[str, float]:
    """Time one drawing through the network as it is served, and the other ways to run it.

    A way that this machine lacks the means for (a compiler, say) is left out.
    """
    plain = checkpoint.load(path)[0].sketch.to(encoder.device, pixels.dtype)
    ways: dict[str, Callable[[torch.Tensor], Any]] = {
        "as served: normalisation folded, channels last": encoder.network.sketch,
        "eager, as the checkpoint has it": plain,
    }
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing and compiling warn of what is meant
        for name, make in _EXPORTS.items():
            try:
                way = make(encoder.network.sketch, pixels)
                way(pixels)
            except Exception:  # noqa: S112 - a compiler's own, of any kind
                continue
            ways[name] = way
        seconds = in_turns(
            [functools.partial(_through, way, pixels) for way in ways.values()], rounds
        )
    return {name: round(1000 * taken, 2) for name, taken in zip(ways, seconds, strict=True)}


def _through(way: Callable[[torch.Tensor], Any], pixels: torch.Tensor) -> None:
    _wait(way(pixels))


def _compiled(network: torch.nn.Module, _pixels: torch.Tensor) -> Callable[[torch.Tensor], Any]:
    return torch.compile(network)


_EXPORTS: Final = {"torch.compile": _compiled}


def _wait(rows: torch.Tensor) -> torch.Tensor:
    """Wait for a GPU, which computes behind one's back; a CPU is done."""
    if rows.is_cuda:
        torch.cuda.synchronize()
    return rows


def drawing() -> Image.Image:
    """Draw something that takes as long as a drawing does."""
    image = Image.new("L", (SKETCH_SIZE, SKETCH_SIZE), 255)
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 60, 200, 190), outline=0, width=4)
    pen.line((60, 200, 120, 110, 190, 210), fill=0, width=4)
    return image
