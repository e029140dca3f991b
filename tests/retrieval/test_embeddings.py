"""The cache of embeddings: never another encoder's, never stale, there again after a restart."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrieval.embeddings import EmbeddingCache, forget_everywhere

PHOTO = hashlib.sha256(b"photo").hexdigest()
VECTOR = np.arange(4, dtype=np.float32)

Open = Callable[..., EmbeddingCache]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def open_cache(encoder: str = "e1", preprocessing: str = "p1", dim: int = 4) -> EmbeddingCache:
        return EmbeddingCache(tmp_path / "cache", encoder, preprocessing, dim)

    return open_cache


def test_an_embedding_comes_back_as_it_was_also_after_reopening(opened):
    with opened() as cache:
        assert cache.get(PHOTO) is None
        cache.put([(PHOTO, VECTOR)])
        np.testing.assert_array_equal(cache.get(PHOTO), VECTOR)
    with opened() as cache:
        again = cache.get(PHOTO)
        np.testing.assert_array_equal(again, VECTOR)
        assert again.dtype == np.float32


@pytest.mark.parametrize(
    ("other"), [{"encoder": "e2"}, {"preprocessing": "p2"}, {"encoder": "e1\np1"}]
)
def test_another_encoder_or_preprocessing_shares_nothing(opened, other):
    with opened() as cache, opened(**other) as stranger:
        cache.put([(PHOTO, VECTOR)])
        assert stranger.get(PHOTO) is None
        stranger.put([(PHOTO, -VECTOR)])
        np.testing.assert_array_equal(cache.get(PHOTO), VECTOR)


def test_an_embedding_of_another_length_is_not_used(opened):
    with opened(dim=4) as cache:
        cache.put([(PHOTO, VECTOR)])
    with opened(dim=8) as cache:
        assert cache.get(PHOTO) is None
        cache.put([(PHOTO, np.ones(8, np.float32))])
        assert cache.get(PHOTO).shape == (8,)


def test_a_photo_is_known_by_its_bytes_wherever_it_lies(opened, tmp_path):
    for name in ("a.jpg", "猫.jpg"):
        (tmp_path / name).write_bytes(b"photo")
    with opened() as cache:
        assert cache.photo_id(tmp_path / "a.jpg") == PHOTO
        assert cache.photo_id(tmp_path / "猫.jpg") == PHOTO


def test_an_unchanged_file_is_not_read_again_even_after_reopening(opened, tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    with opened() as cache:
        cache.photo_id(path)

    def refuse(*_: object) -> None:
        pytest.fail("the file was read")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    with opened() as cache:
        assert cache.photo_id(path) == PHOTO


@pytest.mark.parametrize("changed", [b"other", b"longer than before"])
def test_a_changed_file_is_hashed_again(opened, tmp_path, changed):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    with opened() as cache:
        before = cache.photo_id(path)
        path.write_bytes(changed)
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # clocks may be coarse
        assert cache.photo_id(path) == hashlib.sha256(changed).hexdigest() != before


def test_a_missing_file_is_an_os_error(opened, tmp_path):
    with opened() as cache, pytest.raises(FileNotFoundError):
        cache.photo_id(tmp_path / "gone.jpg")


def test_two_builds_may_read_at_the_same_time(opened, tmp_path):
    """One that has been reading for minutes must not lock the other out."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    done = threading.Event()

    def second() -> None:
        with opened() as cache:
            cache.photo_id(tmp_path / "b.jpg")
            cache.put([(PHOTO, VECTOR)])
        done.set()

    with opened() as cache:
        cache.photo_id(tmp_path / "a.jpg")
        thread = threading.Thread(target=second, daemon=True)
        thread.start()
        assert done.wait(10)
        np.testing.assert_array_equal(cache.get(PHOTO), VECTOR)


def test_a_damaged_cache_is_begun_anew(opened, tmp_path):
    with opened() as cache:
        cache.put([(PHOTO, VECTOR)])
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    file.write_bytes(b"this is no database " * 500)
    with opened() as cache:
        assert cache.get(PHOTO) is None
        cache.put([(PHOTO, VECTOR)])
    with opened() as cache:
        np.testing.assert_array_equal(cache.get(PHOTO), VECTOR)


def test_a_photo_that_is_gone_for_good_is_forgotten_by_every_encoder(opened, tmp_path):
    other = hashlib.sha256(b"other").hexdigest()
    for encoder in ("e1", "e2"):
        with opened(encoder=encoder) as cache:
            cache.put([(PHOTO, VECTOR), (other, VECTOR)])
            cache.put_fingerprints([(PHOTO, b"12345678")])
    forget_everywhere(tmp_path / "cache", [PHOTO])
    for encoder in ("e1", "e2"):
        with opened(encoder=encoder) as cache:
            assert cache.get(PHOTO) is None
            assert cache.fingerprint(PHOTO) is None
            assert cache.has(other)
