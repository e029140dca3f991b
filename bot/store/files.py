"""The drawings themselves, one file each, named by content.

Everything blocks: call it with asyncio.to_thread. Bytes are kept as they came and never decoded.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")


class DrawingFiles:
    """A folder of files, each at root/ab/<SHA-256>; safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, data: bytes) -> str:
        """Keep `data` and return its SHA-256, hex; after a crash the file is whole or absent."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if path.exists():
            return sha256
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
        return sha256

    def path(self, sha256: str) -> Path:
        """Return where the file of that hash is or would be; ValueError when it is no hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("not a SHA-256 in hex")
        return self.root / sha256[:2] / sha256

    def read(self, sha256: str) -> bytes:
        """Return the bytes kept under a hash; FileNotFoundError when there are none."""
        return self.path(sha256).read_bytes()

    def delete(self, sha256: str) -> None:
        """Delete what is kept under a hash, if anything is."""
        self.path(sha256).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut, where folders can be synced."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
