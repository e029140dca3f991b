"""A folder of small photos and a home in which they are the collection "cats"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import library
from retrieval.home import Home

NAME = "cats"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty small pictures, no two alike: more than one batch."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        noise(number).save(folder / f"photo_{number:02}.png")
    return folder


def noise(number: int) -> Image.Image:
    """Return the small random picture of that number."""
    pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def home(tmp_path: Path, photos: Path) -> Home:
    home = Home(tmp_path / "home")
    library.register(home, NAME, photos)
    return home
