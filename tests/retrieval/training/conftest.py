"""A small world to train in: three kinds of shapes, drawn and painted, and a tiny backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from retrieval.encoder import checkpoint
from retrieval.training import data, splits
from retrieval.training.examples import Examples, Part, part, read_examples
from retrieval.training.recipes import RECIPES, Options, Recipe, modern, modern_trunk

BACKBONE = "test_efficientnet"
SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, tuple[int, ...], dict[str, object]], None]] = {
    "ball": lambda pen, box, style: pen.ellipse(box, **style),
    "box": lambda pen, box, style: pen.rectangle(box, **style),
    "cross": lambda pen, box, style: pen.line(
        (box[0], box[1], box[2], box[3], box[0], box[3], box[2], box[1]),
        fill=style.get("fill") or style["outline"],
        width=12,
    ),
}


def make_shapes(root: Path, photos: int = 5) -> Path:
    """Make a folder in the Sketchy Database's layout; each photo has two drawings."""
    for number, (name, draw) in enumerate(SHAPES.items()):
        for kind in ("sketch", "photo"):
            (root / kind / name).mkdir(parents=True)
        for index in range(photos):
            box = (10 + 4 * index, 12, 60 + 8 * index, 90)
            photo = Image.new("RGB", (128, 128), (200, 210 - 20 * index, 180))
            draw(ImageDraw.Draw(photo), box, {"fill": (40 * number, 60, 30)})
            photo.save(root / "photo" / name / f"n{index}.jpg")
            for version in (1, 2):
                sketch = Image.new("L", (128, 128), 255)
                style = {"outline": 0, "width": 2 + version}
                draw(ImageDraw.Draw(sketch), box, style)
                sketch.save(root / "sketch" / name / f"n{index}-{version}.png")
    return root


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks are slower on more threads, and other tests want the other cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shapes(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the tiny backbone, random but the same every time, in timm's own names."""
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(timm.create_model(BACKBONE, pretrained=False).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def options(weights_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Options:
    cache = tmp_path_factory.mktemp("cache")
    return Options(BACKBONE, 64, batch=6, dim=8, weights=weights_file, cache=cache)


@pytest.fixture(scope="session")
def world(shapes: Path, options: Options) -> tuple[Examples, dict[str, Part]]:
    """The shapes as examples, and their parts; nothing unseen, one photo in five held out."""
    pictures = data.read(shapes)
    parts = splits.make_split(pictures, 0, 0, 0.2).parts(pictures)
    examples = read_examples(pictures, (), 64, options.cache, with_edges=True)
    return examples, {
        "train": part(pictures, parts.train),
        "held": part(pictures, parts.held),
    }


def make(name: str, world: tuple[Examples, dict[str, Part]], options: Options) -> Recipe:
    """Make a recipe that begins the same each time."""
    torch.manual_seed(0)
    examples, parts = world
    if name in ("trunk", "modern"):
        hyper = modern_trunk.Hyper(photo_trunks=((BACKBONE, 64, 2),), grid=2, kept_dim=8)
        trunk = modern_trunk.ModernTrunk(examples, parts["train"], options, hyper)
        if name == "trunk":
            return trunk
        start = options.cache / "start.safetensors"
        checkpoint.save(
            start,
            trunk.network,
            checkpoint.Metadata(name="trunk", network=trunk.network.spec, recipe="test"),
        )
        options = dataclasses.replace(options, start=start)
        small = modern.Hyper(learned=8, particular=8, batch=8)
        return modern.Modern(examples, parts["train"], options, small)
    return RECIPES[name](examples, parts["train"], options)
