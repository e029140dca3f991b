"""Data sets are read as they lie on disk, and split without leaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.training.data import held_out_categories, held_out_sketches, read_sketchy


def make(root: Path, inside: str = "") -> Path:
    for category in ("cat", "dog"):
        for photo in range(4):
            for name in (
                f"photo/{inside}/{category}/n{photo}_1.jpg",
                f"sketch/{inside}/{category}/n{photo}_1-1.png",
                f"sketch/{inside}/{category}/n{photo}_1-2.png",
            ):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).touch()
    (root / "sketch" / "invalid.txt").touch()
    return root


@pytest.mark.parametrize("inside", ["", "tx_000000000000"])
def test_small_and_full_layouts_read_alike(tmp_path: Path, inside: str) -> None:
    pairs = read_sketchy(make(tmp_path, inside))
    assert pairs.categories == ["cat", "dog"]
    assert len(pairs.sketches) == 16
    assert len(pairs.photos) == 8
    assert {sketch.photo for sketch in pairs.sketches} == {photo.photo for photo in pairs.photos}


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no sketch"):
        read_sketchy(tmp_path)


def test_categories_held_out_depend_on_the_seed_alone() -> None:
    names = [f"category {number}" for number in range(30)]
    chosen = held_out_categories(names, 5, seed=1)
    assert len(chosen) == 5
    assert chosen == held_out_categories(names[::-1], 5, seed=1)
    assert chosen != held_out_categories(names, 5, seed=2)


def test_held_out_drawings_take_all_drawings_of_their_photo(tmp_path: Path) -> None:
    pairs = read_sketchy(make(tmp_path))
    held = held_out_sketches(pairs.sketches, 0.25, seed=0)
    out = {(sketch.category, sketch.photo) for sketch in pairs.sketches if sketch.path in held}
    kept = {(sketch.category, sketch.photo) for sketch in pairs.sketches if sketch.path not in held}
    assert len(out) == 2
    assert not out & kept
