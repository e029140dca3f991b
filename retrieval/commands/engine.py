"""What commands that embed something share: loading the encoder, and saying so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.console import (
    watch,
)
from retrieval.home import Home

if TYPE_CHECKING:
    from retrieval.serving.engine import Engine

DEFAULT_COLLECTION = "shared"


def load_engine(home: Path, device: str) -> Engine:
    """Load the encoder, which takes some seconds, and say so."""
    with watch.status("Loading the encoder…"):
        from retrieval import encoders
        from retrieval.serving.engine import Engine

        return Engine(Home(home), encoders.load_current(Home(home), device))
