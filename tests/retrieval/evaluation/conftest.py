"""Three categories of drawings and pictures, small enough that every figure can be checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from retrieval.encoder import Encoder, load_encoder
from tests import drawings
from tests.conftest import paint

CATEGORIES = ("apple", "fish", "hammer")


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders by category, and a folder of distractors."""

    sketches: Path
    photos: Path
    distractors: Path


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder(None, "cpu")


def lay_out(root: Path) -> Folders:
    """Lay out four pictures, the first of which is drawn twice, of each category; 5 distractors."""
    folders = Folders(root / "sketches", root / "photos", root / "others")
    for place, name in enumerate(CATEGORIES):
        (folders.sketches / name).mkdir(parents=True)
        (folders.photos / name).mkdir(parents=True)
        for number, width in ((1, 5), (2, 9)):
            drawing = drawings.render(name, 300, width)
            drawing.save(folders.sketches / name / f"{name}_0-{number}.png")
        picture = drawings.render(name, 200, 12, "#7a3b10", "#cfe3f5")
        picture.save(folders.photos / name / f"{name}_0.jpg")
        for number in range(1, 4):
            paint(10 * place + number).save(folders.photos / name / f"{name}_{number}.jpg")
    # A photo with transparency is seen on white.
    cut_out = drawings.render("apple", 200, 12, "#7a3b10", (0, 0, 0, 0))
    cut_out.save(folders.photos / "apple" / "apple_0.png")
    (folders.photos / "apple" / "apple_0.jpg").unlink()
    folders.distractors.mkdir()
    for number in range(5):
        paint(100 + number).save(folders.distractors / f"other_{number}.jpg")
    return folders


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folders of `lay_out`. Only to be read."""
    return lay_out(tmp_path_factory.mktemp("measured"))


@pytest.fixture
def own_folders(tmp_path: Path) -> Folders:
    """The same, the test's own."""
    return lay_out(tmp_path)


@pytest.fixture
def spoil() -> Callable[[Folders], dict[str, str]]:
    return _spoil


def _spoil(folders: Folders) -> dict[str, str]:
    """Put files among the others that cannot be used; returns words of each one's reason."""
    fish = (folders.sketches / "fish" / "fish_0-1.png").read_bytes()
    photo = (folders.photos / "fish" / "fish_0.jpg").read_bytes()
    (folders.sketches / "fish" / "cut [off]-1.png").write_bytes(fish[: len(fish) // 2])
    (folders.sketches / "fish" / "empty-1.png").write_bytes(b"")
    (folders.sketches / "fish" / "words-1.png").write_text("no picture")
    Image.new("RGB", (99, 99), "white").save(folders.sketches / "fish" / "blank-1.png")
    Image.new("RGB", (1, 1)).save(folders.sketches / "fish" / "dot-1.png")
    (folders.sketches / "fish" / "notes.txt").write_text("passed over")
    (folders.photos / "fish" / "cut.jpg").write_bytes(photo[: len(photo) // 2])
    (folders.photos / "fish" / "empty.jpg").write_bytes(b"")
    (folders.distractors / "words.jpg").write_text("no picture")
    return {
        "cut [off]-1.png": "damaged",
        "empty-1.png": "empty",
        "words-1.png": "no picture",
        "blank-1.png": "nothing drawn",
        "dot-1.png": "nothing drawn",
        "cut.jpg": "damaged",
        "empty.jpg": "empty",
        "words.jpg": "no picture",
    }
