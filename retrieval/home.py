"""Where retrieval keeps its files. Paths only: nothing here reads or writes a photo."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# A Unix socket's address holds 108 bytes on Linux and 104 on macOS.
_LONGEST_SOCKET_PATH = 100


def default_home() -> Path:
    """Return the folder for data where the host names none: the platform's own for a user."""
    return platformdirs.user_data_path("magic-pencil")


class CollectionNameError(ValueError):
    """A collection name that could not be a folder of its own."""


def check_collection_name(name: str) -> str:
    """Return ``name`` if it may name a collection, which is also a folder.

    Raises:
        CollectionNameError: it has anything but lower-case letters, digits, ``-`` and ``_``.
    """
    if not _NAME.fullmatch(name):
        raise CollectionNameError(
            f"{name!r} cannot name a collection: use 1 to 64 lower-case letters, digits, - and _."
        )
    return name


@dataclass(frozen=True, slots=True)
class Home:
    """The one folder that all data lives under."""

    root: Path

    @property
    def embeddings(self) -> Path:
        """Content-addressed embeddings, one SQLite file for each encoder."""
        return self.root / "cache" / "embeddings"

    @property
    def thumbnails(self) -> Path:
        """Bounded JPEG copies of photos, by the SHA-256 of the photo."""
        return self.root / "cache" / "thumbnails"

    @property
    def collections(self) -> Path:
        """One folder for each collection."""
        return self.root / "collections"

    def collection(self, name: str) -> Path:
        """Return the folder of one collection (see :func:`check_collection_name`)."""
        return self.collections / check_collection_name(name)

    @property
    def chosen_encoder(self) -> Path:
        """Says which encoder serves; not there while it is the one shipped."""
        return self.root / "encoder.json"

    @property
    def encoders(self) -> Path:
        """Checkpoints that serve or served."""
        return self.root / "encoders"

    @property
    def socket(self) -> Path:
        """Where the worker listens; beside the data unless that path is too long for a socket."""
        beside = self.root / "worker.sock"
        if len(os.fsencode(beside)) <= _LONGEST_SOCKET_PATH:
            return beside
        digest = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"magic-pencil-{os.getuid()}-{digest}" / "worker.sock"
