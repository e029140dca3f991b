"""An index of many vectors finds what exact search finds, and grows without being made anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.index import assemble, structure
from retrieval.index.generation import Generation, Manifest, write_generation
from retrieval.index.records import IndexedPhoto, Records, write_records
from retrieval.index.structure import Structure

DIM = 16
MANY = 3000


@pytest.fixture(autouse=True)
def exact_to_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have thousands of vectors be many."""
    monkeypatch.setattr(structure, "EXACT_TO", 500)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    """Unit rows in some hundred clusters, as embeddings lie."""
    centres = np.random.default_rng(99).normal(size=(120, DIM))
    chance = np.random.default_rng(seed)
    rows = centres[chance.integers(0, 120, count)] + 0.6 * chance.normal(size=(count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def chunked(rows: np.ndarray, size: int = 700) -> structure.Chunks:
    def chunks() -> Iterator[np.ndarray]:
        yield from (rows[start : start + size] for start in range(0, len(rows), size))

    return chunks


def photos(rows: range) -> dict[str, IndexedPhoto]:
    return {f"{n:064x}": IndexedPhoto(f"{n:064x}", f"{n}.jpg", f"Photo {n}", "", "") for n in rows}


def generation(folder: Path, made: assemble.Assembled, count: int) -> Generation:
    folder.mkdir()
    manifest = Manifest("g", "c", 1.0, count, DIM, made.structure, "e", "e", "1", 0, {})
    write_generation(folder, manifest, made.slots, made.index)
    opened = Generation.open(folder)
    assert made.known is not None
    opened.check_known(made.known)
    return opened


@pytest.mark.parametrize(
    ("count", "factory"),
    [(1, "IDMap2,Flat"), (500, "IDMap2,Flat"), (501, "IVF64,SQfp16"), (10**6, "IVF4096,SQfp16")],
)
def test_the_structure_follows_the_size(count: int, factory: str) -> None:
    assert structure.choose(count) == factory


def test_exact_search_by_chunks_is_exact_search() -> None:
    rows, asked = vectors(MANY), vectors(20, 1)
    expected = np.argsort(-(asked @ rows.T), axis=1)[:, :10]
    np.testing.assert_array_equal(structure.exact(chunked(rows), asked, 10), expected)


def test_inverted_lists_find_what_they_claim_and_claim_enough() -> None:
    rows = vectors(MANY)
    index, made = structure.make(chunked(rows), MANY, DIM, vectors(60, 2))
    assert (made.measured_with, made.queries) == ("drawings", 60)
    assert made.recall_at_10 >= structure.TARGET
    assert 1 < made.probes <= 64
    asked = vectors(200, 3)
    found = index.search(asked, 10, params=made.parameters())[1]
    truth = structure.exact(chunked(rows), asked, 10)
    assert structure.recall_of(found, truth) >= 0.93
    assert structure.recall_of(index.search(asked, 10)[1], truth) < 0.9  # one list is too few


def test_without_drawings_photos_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = structure.make(chunked(vectors(MANY)), MANY, DIM, vectors(5, 2))
    assert (made.measured_with, made.queries) == ("photos", 200)


def test_an_exact_index_says_so() -> None:
    _, made = structure.make(chunked(vectors(200)), 200, DIM, None)
    assert made == Structure()
    assert made.parameters() is None


def test_growing_keeps_slots_and_finds_the_new_and_none_of_the_gone(tmp_path: Path) -> None:
    rows = vectors(MANY + 100)
    vector_of = dict(zip(photos(range(MANY + 100)), rows, strict=True)).__getitem__
    old = photos(range(MANY))
    before = generation(tmp_path / "old", assemble.fresh(old, vector_of, DIM), MANY)
    new = photos(range(50, MANY + 100))
    changed = photos(range(MANY, MANY + 100))
    edited = f"{60:064x}"
    changed[edited] = IndexedPhoto(edited, "60.jpg", "Another title", "", "")
    assert assemble.can_grow(before, len(new))
    made = assemble.grow(before, set(photos(range(50))), changed, vector_of)
    assert made.structure == before.manifest.structure  # not measured, so not made anew
    after = generation(tmp_path / "new", made, len(new))
    assert after.photos.slots == MANY + 100
    assert len(after.photos) == MANY + 50
    assert after.photos[60].title == "Another title"
    for number in (55, 1500, MANY, MANY + 99):
        hit = after.search(rows[number], 1)[0]
        assert hit.photo.name == f"{number}.jpg"
        assert hit.score == pytest.approx(1, abs=2e-3)
        np.testing.assert_allclose(hit.vector, rows[number], atol=2e-3)
    assert {photo.photo_id for photo in after.photos} == set(new)
    with pytest.raises(KeyError):
        after.photos[3]
    for hit in after.search(rows[3], 30):
        assert hit.photo.name != "3.jpg"


def test_an_index_that_has_shrunk_or_is_exact_is_made_anew(tmp_path: Path) -> None:
    rows = vectors(MANY)
    vector_of = dict(zip(photos(range(MANY)), rows, strict=True)).__getitem__
    many = generation(tmp_path / "many", assemble.fresh(photos(range(MANY)), vector_of, DIM), MANY)
    few = generation(tmp_path / "few", assemble.fresh(photos(range(400)), vector_of, DIM), 400)
    assert assemble.can_grow(many, MANY + 1000)
    assert not assemble.can_grow(many, MANY // 3)
    assert not assemble.can_grow(many, 400)
    assert not assemble.can_grow(many, 20 * MANY)
    assert not assemble.can_grow(few, 401)


def test_records_are_read_one_at_a_time_and_empty_slots_are_passed_over(tmp_path: Path) -> None:
    known = list(photos(range(3)).values())
    write_records(tmp_path, [known[0], None, known[1], known[2]])
    records = Records.open(tmp_path)
    assert (len(records), records.slots) == (3, 4)
    assert list(records) == known
    assert list(dict(records.items())) == [0, 2, 3]
    assert records[3] == known[2]
    with pytest.raises(KeyError):
        records[1]
    assert [records.find(photo.photo_id) for photo in known] == known
    for nobodys in ("f" * 64, known[0].name, known[0].photo_id[:60], ""):
        assert records.find(nobodys) is None
    write_records(tmp_path, [records.raw(slot) for slot in range(4)])
    assert list(Records.open(tmp_path)) == known
