"""Content-addressed cache of embeddings, so that a rebuild encodes only what is new.

The key is the SHA-256 of a photo's bytes; the file is named by the encoder and its preprocessing,
so embeddings of two encoders never meet. The digests of files are remembered too, by path, size and
modification time, so that an unchanged photo is not even read, and photos' fingerprints.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from retrieval.photos import sha256

FloatArray = npt.NDArray[np.float32]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (photo BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, photo BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fingerprints (photo BLOB PRIMARY KEY, hash BLOB NOT NULL) WITHOUT ROWID;
"""


class EmbeddingCache:
    """Embeddings of one encoder, in one SQLite file. Used from one thread."""

    def __init__(self, folder: Path, encoder: str, preprocessing: str, dim: int) -> None:
        """Open or make the cache.

        Args:
            folder: where the caches lie; made if need be.
            encoder: the checkpoint's digest, hexadecimal.
            preprocessing: the version of what is done to a photo before it is encoded.
            dim: numbers in an embedding.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._dim = dim
        file = cache_file(folder, encoder, preprocessing)
        try:
            self._database = _open(file)
        except sqlite3.OperationalError:
            raise  # locked, or no room: the file itself is sound
        except sqlite3.DatabaseError:
            # Damaged. It holds nothing that cannot be computed again.
            remove_cache(folder, encoder, preprocessing)
            self._database = _open(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def photo_id(self, path: Path) -> str:
        """Return the SHA-256 of a file, read only if it changed since it was last asked for."""
        status = path.stat()
        row = self._database.execute(
            "SELECT photo FROM files WHERE path = ? AND size = ? AND modified = ?",
            (str(path), status.st_size, status.st_mtime_ns),
        ).fetchone()
        if row:
            return bytes(row[0]).hex()
        digest = sha256(path)
        self._database.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
            (str(path), status.st_size, status.st_mtime_ns, bytes.fromhex(digest)),
        )
        return digest

    def get(self, photo_id: str) -> FloatArray | None:
        """Return a photo's embedding, shape (dim,), or None if it is not known."""
        row = self._database.execute(
            "SELECT vector FROM embeddings WHERE photo = ?", (bytes.fromhex(photo_id),)
        ).fetchone()
        if row is None or len(row[0]) != 4 * self._dim:
            return None
        return np.frombuffer(row[0], dtype=np.float32)

    def vector(self, photo_id: str) -> FloatArray:
        """Return the embedding, shape (dim,), of a photo that is known. Raises KeyError."""
        found = self.get(photo_id)
        if found is None:
            raise KeyError(photo_id)
        return found

    def has(self, photo_id: str) -> bool:
        """Say whether a photo's embedding is known."""
        row = self._database.execute(
            "SELECT length(vector) FROM embeddings WHERE photo = ?", (bytes.fromhex(photo_id),)
        ).fetchone()
        return row is not None and row[0] == 4 * self._dim

    def fingerprint(self, photo_id: str) -> bytes | None:
        """Return a photo's fingerprint (see :mod:`retrieval.likeness`), None if it is not known."""
        row = self._database.execute(
            "SELECT hash FROM fingerprints WHERE photo = ?", (bytes.fromhex(photo_id),)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def put_fingerprints(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Keep photos' fingerprints."""
        self._database.executemany(
            "INSERT OR REPLACE INTO fingerprints VALUES (?, ?)",
            [(bytes.fromhex(photo_id), fingerprint) for photo_id, fingerprint in items],
        )

    def put(self, items: Iterable[tuple[str, FloatArray]]) -> None:
        """Keep photos' embeddings, each of shape (dim,)."""
        self._database.executemany(
            "INSERT OR REPLACE INTO embeddings VALUES (?, ?)",
            [
                (bytes.fromhex(photo_id), np.asarray(vector, dtype=np.float32).tobytes())
                for photo_id, vector in items
            ],
        )


def cache_file(folder: Path, encoder: str, preprocessing: str) -> Path:
    """Return where an encoder's embeddings are kept."""
    key = hashlib.sha256(f"{encoder}\n{preprocessing}".encode()).hexdigest()[:24]
    return folder / f"{key}.sqlite"


def remove_cache(folder: Path, encoder: str, preprocessing: str) -> None:
    """Delete an encoder's embeddings; they can be computed again."""
    file = cache_file(folder, encoder, preprocessing)
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def forget_everywhere(folder: Path, photo_ids: Iterable[str]) -> None:
    """Drop from every encoder's cache in a folder all that is known of photos."""
    keys = [(bytes.fromhex(photo_id),) for photo_id in photo_ids]
    for file in folder.glob("*.sqlite"):
        database = _open(file)
        try:
            for table in ("embeddings", "fingerprints", "files"):
                database.executemany(f"DELETE FROM {table} WHERE photo = ?", keys)  # noqa: S608
        finally:
            database.close()


def _open(file: Path) -> sqlite3.Connection:
    # Each row is a transaction of its own: builds of two collections share this file, and one that
    # reads for minutes must not lock the other out.
    database = sqlite3.connect(file, timeout=30, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.executescript(_SCHEMA)
        database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException:
        database.close()
        raise
    return database
