"""Each test here begins with servers that have no photos of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import RunningWorker


@pytest.fixture(autouse=True)
def own_collections(worker: RunningWorker) -> Iterator[None]:
    """Leave no server's collection to the next test: simulated servers have the same ids."""
    yield
    for folder in worker.home.collections.glob("server-*"):
        shutil.rmtree(folder)
