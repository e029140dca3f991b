"""Drawings kept as files."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.store.files import DrawingFiles

DATA = b"a drawing" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


def _files(root: Path) -> list[str]:
    return [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]


def test_bytes_are_kept_by_hash_and_for_the_owner_only(tmp_path: Path) -> None:
    files = DrawingFiles(tmp_path / "drawings")
    assert files.save(DATA) == SHA256
    assert files.read(SHA256) == DATA
    assert files.path(SHA256) == tmp_path / "drawings" / SHA256[:2] / SHA256
    assert files.path(SHA256).stat().st_mode & 0o777 == 0o600


def test_saving_again_writes_nothing(tmp_path: Path) -> None:
    files = DrawingFiles(tmp_path)
    files.save(DATA)
    before = files.path(SHA256).stat()
    assert files.save(DATA) == SHA256
    after = files.path(SHA256).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert _files(tmp_path) == [f"{SHA256[:2]}/{SHA256}"]


def test_many_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    files, together = DrawingFiles(tmp_path), threading.Barrier(8)

    def save(_: int) -> str:
        together.wait()
        return files.save(DATA)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(save, range(8))) == {SHA256}
    assert _files(tmp_path) == [f"{SHA256[:2]}/{SHA256}"]
    assert files.read(SHA256) == DATA


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    files = DrawingFiles(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk_full)
        with pytest.raises(OSError, match="No space"):
            files.save(DATA)
    assert _files(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        files.read(SHA256)
    assert files.read(files.save(DATA)) == DATA


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "AB" * 32, SHA256 + "\n", SHA256 + "/x"])
def test_only_a_hash_names_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        DrawingFiles(tmp_path).path(name)
