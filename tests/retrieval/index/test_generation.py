"""A generation on disk: every flipped byte is found, and nothing of another format is read."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from retrieval.index import structure
from retrieval.index.generation import (
    INDEX_FILE,
    MANIFEST_FILE,
    Generation,
    GenerationError,
    Manifest,
    write_generation,
)
from retrieval.index.records import OFFSETS_FILE, RECORDS_FILE, IndexedPhoto
from retrieval.index.structure import Structure
from tests.retrieval.index.building import edit_manifest

DIM = 8


def unit(rows: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact(vectors: np.ndarray) -> object:
    return structure.make(lambda: iter([vectors]), len(vectors), DIM, None)[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    manifest = Manifest(
        generation="g1", collection="cats", created=1.0, photos=5, dim=DIM, structure=Structure(),
        encoder="c" * 64, encoder_name="colours", preprocessing="1", unreadable=0, files={},
    )  # fmt: skip
    photos = [IndexedPhoto(f"{n:064x}", f"{n}.jpg", f"Photo {n}", "", "") for n in range(5)]
    write_generation(tmp_path, manifest, photos, exact(unit(5)))
    return tmp_path


def test_a_generation_is_read_as_it_was_written(folder):
    generation = Generation.open(folder)
    assert [photo.name for photo in generation.photos] == [f"{n}.jpg" for n in range(5)]
    for row, vector in enumerate(unit(5)):
        assert generation.search(vector, 1)[0].photo == generation.photos[row]
    assert set(generation.manifest.files) == {INDEX_FILE, RECORDS_FILE, OFFSETS_FILE}


def test_a_search_ranks_as_exact_inner_products_do(folder):
    query = unit(1, seed=9)[0]
    hits = Generation.open(folder).search(query, 5)
    expected = unit(5) @ query
    assert [hit.photo.name for hit in hits] == [f"{row}.jpg" for row in np.argsort(-expected)]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(expected)[::-1], atol=1e-6)
    np.testing.assert_array_equal([hit.vector for hit in hits], unit(5)[np.argsort(-expected)])


@pytest.mark.parametrize("name", [INDEX_FILE, RECORDS_FILE, OFFSETS_FILE])
def test_any_flipped_bit_is_found(folder, name):
    path = folder / name
    whole = path.read_bytes()
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << position % 8
        path.write_bytes(spoilt)
        with pytest.raises(GenerationError, match="rebuild"):
            Generation.open(folder)
    path.write_bytes(whole)
    Generation.open(folder)


def test_faiss_alone_would_not_have_noticed(folder):
    """Why the checksum is ours to make; if faiss learns to check, ours may go."""
    path = folder / INDEX_FILE
    whole = path.read_bytes()
    stored = unit(5).tobytes()
    at = whole.index(stored)
    path.write_bytes(whole[:at] + bytes(len(stored)) + whole[at + len(stored) :])
    assert faiss.read_index(str(path)).ntotal == 5


def test_a_damaged_manifest_is_a_generation_error_or_harmless(folder):
    path = folder / MANIFEST_FILE
    whole = path.read_bytes()
    manifest = Generation.open(folder).manifest
    refused = 0
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << position % 8
        path.write_bytes(spoilt)
        try:
            assert Generation.open(folder).manifest == manifest
        except GenerationError:
            refused += 1
    assert refused > len(whole) / 2


@pytest.mark.parametrize("name", [INDEX_FILE, RECORDS_FILE, OFFSETS_FILE, MANIFEST_FILE])
@pytest.mark.parametrize("size", [None, 0, 10])
def test_a_missing_or_cut_file_is_found(folder, name, size):
    path = folder / name
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(GenerationError):
        Generation.open(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 1}, "format 1; this version reads 2"),
        ({"photos": 6}, "disagrees"),
        ({"dim": DIM + 1}, "disagrees"),
        ({"encoder": 7}, "cannot be read"),
        ({"files": {"../../secret": "0"}}, "missing"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(folder, change, words):
    edit_manifest(folder / MANIFEST_FILE, **change)
    with pytest.raises(GenerationError, match=words):
        Generation.open(folder)


def test_an_index_of_other_vectors_fails_the_check_of_known_ones(folder):
    generation = Generation.open(folder)
    generation.check_known(unit(5))
    for wrong in (unit(5, seed=1), unit(5)[::-1] * 0.5, unit(5) * np.float32("nan")):
        with pytest.raises(GenerationError, match="does not find"):
            generation.check_known(np.ascontiguousarray(wrong))


def test_two_photos_that_look_the_same_pass_the_check(tmp_path):
    twins = np.repeat(unit(1), 3, axis=0)
    manifest = Manifest("g", "c", 1.0, 3, DIM, Structure(), "e", "e", "1", 0, {})
    write_generation(tmp_path, manifest, [IndexedPhoto("", "", "", "", "")] * 3, exact(twins))
    Generation.open(tmp_path).check_known(twins)
