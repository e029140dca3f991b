"""The shipped encoder, loaded once for each pytest process, and pictures indexed with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import library
from retrieval.encoder import Encoder, load_encoder
from retrieval.home import Home
from retrieval.serving.engine import Engine


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder(None, "cpu")


@pytest.fixture(scope="session")
def indexed(encoder: Encoder, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose collection "shared" is the pictures. Only to be read."""
    home = Home(tmp_path_factory.mktemp("indexed"))
    library.register(home, "shared", pictures)
    Engine(home, encoder).build("shared", lambda _: None)
    return home


@pytest.fixture
def engine(indexed: Home, encoder: Encoder) -> Engine:
    return Engine(indexed, encoder)
