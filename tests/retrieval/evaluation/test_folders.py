"""Which files are measured: layouts, links, names, and folders that hold nothing of use."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from retrieval.evaluation import read


def make(root: Path, *files: str) -> Path:
    """Make empty files: nothing is opened while files are listed."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def test_drawings_and_photos_by_category_and_who_belongs_to_whom(tmp_path) -> None:
    sketches = make(
        tmp_path / "s",
        "fish/n01-12.png",
        "fish/n01-2.PNG",
        "fish/a-b-3.webp",
        "fish/whole.png",
        "fish/half-done.png",
        "fish/notes.txt",
        "fish/.hidden-1.png",
        "fish/deeper/n01-3.png",
        ".cache/n01-4.png",
        "loose-1.png",
        "ship/x-1.png",
        "ship/x-2.png",
        "Fish/n01-1.png",
    )
    photos = make(tmp_path / "p", "fish/n01.jpg", "fish/n02.jpeg", "tree/n01.jpg")
    found = read(sketches, photos)
    drawn = [(picture.path.name, picture.category, picture.photo) for picture in found.drawings]
    assert drawn == [
        ("a-b-3.webp", "fish", "a-b"),
        ("half-done.png", "fish", None),
        ("n01-12.png", "fish", "n01"),
        ("n01-2.PNG", "fish", "n01"),
        ("whole.png", "fish", None),
    ]
    taken = [(picture.category, picture.photo) for picture in found.photos]
    assert taken == [("fish", "n01"), ("fish", "n02"), ("tree", "n01")]
    assert found.not_counted == {"Fish": 1, "ship": 2}
    assert found.distractors == found.unreadable == ()


def test_a_full_sketchy_download_is_read_at_its_plain_pictures(tmp_path) -> None:
    plain, squeezed = "tx_000000000000", "tx_000100000000"
    sketches = make(tmp_path / "sketch", f"{plain}/ant/n1-1.png", f"{squeezed}/ant/n1-1.png")
    photos = make(tmp_path / "photo", f"{plain}/ant/n1.jpg", f"{squeezed}/ant/n1.jpg")
    for found in (read(sketches, photos), read(sketches / plain, photos / plain)):
        assert [p.path for p in found.drawings] == [sketches / plain / "ant" / "n1-1.png"]
        assert [p.path for p in found.photos] == [photos / plain / "ant" / "n1.jpg"]


def test_folders_and_files_may_be_links_and_broken_ones_are_passed_over(tmp_path) -> None:
    store = make(tmp_path / "store", "ant/n1-1.png", "ant/n1.jpg")
    sketches, photos = tmp_path / "s", make(tmp_path / "p", "ant/n0.jpg")
    sketches.mkdir()
    (sketches / "ant").symlink_to(store / "ant")
    (photos / "ant" / "n1.jpg").symlink_to(store / "ant" / "n1.jpg")
    (photos / "ant" / "gone.jpg").symlink_to(store / "nowhere.jpg")
    found = read(sketches, photos)
    assert [picture.path.name for picture in found.photos] == ["n0.jpg", "n1.jpg"]
    assert Counter(picture.path.name for picture in found.drawings)["n1-1.png"] == 1


def test_distractors_lie_flat_or_in_folders_and_are_of_no_category(tmp_path) -> None:
    sketches, photos = make(tmp_path / "s", "ant/1-1.png"), make(tmp_path / "p", "ant/1.jpg")
    others = make(tmp_path / "o", "b.jpg", "a.jpg", "ant/1.jpg", "c.txt")
    found = read(sketches, photos, others).distractors
    assert [picture.path.relative_to(others).as_posix() for picture in found] == [
        "a.jpg",
        "b.jpg",
        "ant/1.jpg",
    ]
    assert {(picture.category, picture.photo) for picture in found} == {(None, None)}


def test_folders_without_pictures_say_what_is_expected(tmp_path) -> None:
    good = make(tmp_path / "good", "ant/1-1.png")
    flat = make(tmp_path / "flat", "1.png")
    for sketches, photos in ((flat, good), (good, flat)):
        with pytest.raises(OSError, match=r"flat/CATEGORY/PICTURE or .*/tx_000000000000/"):
            read(sketches, photos)
    with pytest.raises(OSError, match="nowhere is not a folder"):
        read(tmp_path / "nowhere", good)
    with pytest.raises(OSError, match=r"1\.png is not a folder"):
        read(good, flat / "1.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="no distractors"):
        read(good, good, tmp_path / "empty")


def test_no_category_in_common_names_some_of_both(tmp_path) -> None:
    sketches = make(tmp_path / "s", *(f"{name}/1-1.png" for name in ("Ant", "bee", "cow", "dog")))
    photos = make(tmp_path / "p", "ant/1.jpg")
    with pytest.raises(OSError, match="Ant, bee, cow and 1 more and photos of ant") as caught:
        read(sketches, photos)
    assert "exactly the same name" in str(caught.value)


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_category_whose_name_is_no_utf8_is_left_out_and_named(tmp_path) -> None:
    sketches, photos = make(tmp_path / "s", "ant/1-1.png"), make(tmp_path / "p", "ant/1.jpg")
    odd = make(photos / os.fsdecode(b"b\xe9e"), "1.jpg")
    found = read(sketches, photos)
    assert [picture.category for picture in found.photos] == ["ant"]
    assert [(item.file, item.reason) for item in found.unreadable] == [
        (f"{photos}/b?e", "its name is not in UTF-8")
    ]
    assert odd.is_dir()


def test_a_category_that_may_not_be_looked_into_is_left_out(tmp_path, monkeypatch) -> None:
    sketches, photos = make(tmp_path / "s", "ant/1-1.png"), make(tmp_path / "p", "ant/1.jpg")
    make(photos, "bee/1.jpg")
    look = Path.iterdir

    def forbidden(folder: Path):  # root, who runs many a test, may look into every folder
        if folder.name == "bee":
            raise PermissionError(13, "Permission denied", str(folder))
        return look(folder)

    monkeypatch.setattr(Path, "iterdir", forbidden)
    found = read(sketches, photos)
    assert [picture.category for picture in found.photos] == ["ant"]
    assert [(item.file, item.reason) for item in found.unreadable] == [
        (str(photos / "bee"), "Permission denied")
    ]
