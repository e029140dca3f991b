"""Data sets are read as they lie on disk, and what belongs together is joined."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.training.data import (
    DataSet,
    DataSetError,
    Picture,
    category_name,
    merge,
    read,
    read_pairs,
    read_photo_folders,
    read_photos,
    read_sketch_folders,
)
from tests.conftest import shared_data

PLAIN = "tx_000000000000"
OTHER = "tx_000100000000"


def make(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def pairs(sketches: Path, photos: Path) -> None:
    """Two categories of four photos, two drawings each."""
    for category in ("cat", "hot-air_balloon"):
        for photo in range(4):
            make(
                photos / category / f"n{photo}_1.jpg",
                sketches / category / f"n{photo}_1-1.png",
                sketches / category / f"n{photo}_1-2.png",
            )


def drawn(data: DataSet) -> dict[str, str | None]:
    return {sketch.path.name: sketch.photo for sketch in data.sketches}


@pytest.mark.parametrize(
    ("sketches", "photos"),
    [
        ("sketch", "photo"),
        ("sketches", "photos"),
        (f"sketch/{PLAIN}", f"photo/{PLAIN}"),
        (f"256x256/sketch/{PLAIN}", f"256x256/photo/{PLAIN}"),
        (f"rendered_256x256/256x256/sketch/{PLAIN}", f"rendered_256x256/256x256/photo/{PLAIN}"),
    ],
)
def test_known_layouts_read_alike(tmp_path: Path, sketches: str, photos: str) -> None:
    pairs(tmp_path / sketches, tmp_path / photos)
    for domain in (sketches, photos):
        if PLAIN in domain:  # the same pictures once more
            pairs(*[(tmp_path / domain).with_name(OTHER)] * 2)
    make(tmp_path / sketches / "filelist.txt")
    data = read(tmp_path)
    assert data.categories == ["cat", "hot air balloon"]
    assert (len(data.sketches), len(data.photos)) == (16, 8)
    assert {sketch.instance for sketch in data.sketches} == {
        photo.instance for photo in data.photos
    }
    assert ("hot air balloon", "n3_1") in {photo.instance for photo in data.photos}


def test_a_download_without_the_plain_rendering_is_an_error(tmp_path: Path) -> None:
    pairs(tmp_path / "sketch" / OTHER, tmp_path / "photo" / PLAIN)
    with pytest.raises(DataSetError, match=rf"{OTHER} but not {PLAIN}"):
        read(tmp_path)


def test_an_unknown_layout_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    make(tmp_path / "airplane" / "1.png", tmp_path / "alarm clock" / "81.png", tmp_path / "a.txt")
    with pytest.raises(DataSetError, match="is no known data set") as caught:
        read(tmp_path)
    for said in ("sketch and photo", "256x256", "airplane, alarm clock and 1 files", "alone"):
        assert said in str(caught.value)
    with pytest.raises(DataSetError, match="is not a folder"):
        read(tmp_path / "absent")


@pytest.mark.parametrize("reader", [read_sketch_folders, read_photo_folders])
def test_a_folder_without_pictures_is_an_error(tmp_path: Path, reader: type) -> None:
    make(tmp_path / "png" / "airplane" / "1.png")  # one level too high
    with pytest.raises(DataSetError, match=r"<category>/<file>.*found the folders png and 0 files"):
        reader(tmp_path)


@pytest.mark.parametrize("info", ["info", "info-06-04/info"])
def test_sketchys_own_lists_are_heeded(tmp_path: Path, info: str) -> None:
    pairs(tmp_path / "256x256/sketch" / PLAIN, tmp_path / "256x256/photo" / PLAIN)
    (tmp_path / info).mkdir(parents=True)
    for name, lines in {
        "invalid-error.txt": "n0_1-1\n",
        "invalid-ambiguous.txt": "n1_1-2\r\nn7_1-2\r\n",
        "invalid-pose.txt": "n2_1-1\n",
        "invalid-context.txt": "n2_1-2\n",
        "testset.txt": "cat/n0_1.jpg\nhot-air_balloon/n3_1.jpg\n",
    }.items():
        (tmp_path / info / name).write_bytes(lines.encode())
    data = read(tmp_path)
    left_out = {f"n{photo}_1-{n}.png" for photo in range(4) for n in (1, 2)} - set(drawn(data))
    assert left_out == {"n0_1-1.png", "n1_1-2.png"}
    assert len(data.photos) == 8
    assert data.official_test == {("cat", "n0_1"), ("hot air balloon", "n3_1")}
    assert data.remarks() == [
        "4 drawings left out: listed in invalid-error.txt or invalid-ambiguous.txt."
    ]


def test_the_full_database_without_its_lists_says_so(tmp_path: Path) -> None:
    pairs(tmp_path / "sketch" / PLAIN, tmp_path / "photo" / PLAIN)
    assert "not left out" in read(tmp_path).remarks()[0]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("hot-air_balloon", "hot air balloon"),
        ("Hot air balloon", "hot air balloon"),
        ("hot-air balloon", "hot air balloon"),
        ("car_(sedan)", "car sedan"),
        ("jack-o-lantern", "jack o lantern"),
        ("lady's_slipper", "lady's slipper"),
        ("Crème-brûlée", "crème brûlée"),
        ("__", "__"),
    ],
)
def test_category_names(folder: str, name: str) -> None:
    assert category_name(folder) == name
    assert category_name(name) == name


def test_a_drawing_shows_a_photo_only_if_there_is_one_of_that_name(tmp_path: Path) -> None:
    sketches, photos = tmp_path / "s", tmp_path / "p"
    make(
        photos / "t-shirt" / "t-shirt.jpg", photos / "t-shirt" / "a-1.jpg", photos / "hat" / "b.jpg"
    )
    for name in ("t-shirt-12", "t-shirt", "t-shirt-x", "a-1", "a-1-3", "b-1", "-1"):
        make(sketches / "T-Shirt" / f"{name}.png")
    data = read_pairs(sketches, photos)
    assert {name: photo for name, photo in drawn(data).items() if photo is not None} == {
        "t-shirt-12.png": "t-shirt",
        "a-1-3.png": "a-1",
    }
    assert data.without_sketches == ["hat"]
    assert {sketch.instance for sketch in data.sketches if sketch.photo is None} == {None}


def test_drawings_of_no_photo_stay_so_when_joined_to_photos(tmp_path: Path) -> None:
    make(tmp_path / "tu" / "alarm clock" / "1-2.png", tmp_path / "tu" / "angel" / "2.png")
    make(tmp_path / "photos" / "alarm_clock" / "1.jpg", tmp_path / "photos" / "bell" / "1.jpg")
    tu, photos = read_sketch_folders(tmp_path / "tu"), read_photo_folders(tmp_path / "photos")
    data = merge([tu, photos])
    assert drawn(data) == {"1-2.png": None, "2.png": None}
    assert data.categories == ["alarm clock", "angel", "bell"]
    assert (data.without_photos, data.without_sketches) == (["angel"], ["bell"])
    assert data.remarks() == [
        "The folders alarm clock, alarm_clock are one category, 'alarm clock'.",
        "Categories without photos (1): angel.",
        "Categories without drawings (1): bell.",
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_categories_spelt_with_and_without_a_space_are_one(tmp_path: Path, order: int) -> None:
    make(tmp_path / "a/sketch/hotdog/n1-1.png", tmp_path / "a/photo/hotdog/n1.jpg")
    make(tmp_path / "a/info/testset.txt", tmp_path / "b" / "Hot-Dog" / "7.png")
    (tmp_path / "a/info/testset.txt").write_text("hotdog/n1.jpg\n")
    data = merge([read(tmp_path / "a"), read_sketch_folders(tmp_path / "b")][::order])
    assert data.categories == ["hot dog"]
    assert data.spellings == {"hot dog": ["Hot-Dog", "hotdog"]}
    assert data.official_test == {("hot dog", "n1")} == {photo.instance for photo in data.photos}


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_read_twice_counts_once_and_keeps_its_photo(
    tmp_path: Path, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs(tmp_path / "sketch", tmp_path / "photo")
    monkeypatch.chdir(tmp_path)
    data = read(tmp_path)
    again = merge([read(Path()), read_sketch_folders(Path("sketch"))][::order])
    assert set(again.sketches) == set(data.sketches)
    assert (len(again.sketches), len(again.photos)) == (16, 8)


def test_only_pictures_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "cat"
    make(*(folder / name for name in ("a.PNG", "b.webp", "c.JPeG", "d.jpg")))
    make(*(folder / name for name in (".e.jpg", "._d.jpg", "notes.txt", "png", "strokes.ndjson")))
    make(tmp_path / "photos" / ".git" / "a.jpg", tmp_path / "photos" / "README.jpg")
    (tmp_path / "photos" / "empty").mkdir()
    (folder / "folder.png").mkdir()
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "z.png").symlink_to(folder / "d.jpg")
    (folder / "up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "alias").symlink_to(folder)
    make(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "photos" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "self").symlink_to(tmp_path / "photos" / "self")
    data = read_photo_folders(tmp_path / "photos")
    assert [photo.path.name for photo in data.photos if photo.category == "cat"] == [
        "a.PNG", "b.webp", "c.JPeG", "d.jpg", "z.png",
    ]  # fmt: skip
    assert data.categories == ["cat", "dog"]


def test_the_file_systems_order_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs(tmp_path / "sketch", tmp_path / "photo")
    data = read(tmp_path)
    names = [sketch.path.name for sketch in data.sketches]
    assert names == 2 * sorted(names[:8])
    there = os.scandir

    class Backwards:
        def __init__(self, folder: Path) -> None:
            self.found = there(folder)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return reversed(list(self.found))

        def __exit__(self, *_: object) -> None:
            self.found.close()

    monkeypatch.setattr(os, "scandir", Backwards)
    assert read(tmp_path) == data


def test_the_digest_tells_data_apart_not_places(tmp_path: Path) -> None:
    pairs(tmp_path / "a" / "sketch", tmp_path / "a" / "photo")
    pairs(tmp_path / "b" / "sketches", tmp_path / "b" / "photos")
    data, copy = read(tmp_path / "a"), read(tmp_path / "b")
    digest = data.digest()
    assert copy.digest() == digest
    assert DataSet(data.sketches[::-1], data.photos).digest() == digest
    assert DataSet(data.photos, data.sketches).digest() != digest
    assert DataSet(data.sketches[1:], data.photos).digest() != digest
    grown = copy.photos[0].path
    grown.write_bytes(b"1")
    assert copy.digest() != digest
    grown.write_bytes(b"")
    grown.rename(grown.with_name("other.jpg"))
    assert read(tmp_path / "b").digest() != digest


def test_many_files_are_listed_without_asking_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for category in range(100):
        for domain, count in (("sketch", 160), ("photo", 40)):
            folder = tmp_path / domain / f"category {category}"
            folder.mkdir(parents=True)
            for file in range(count):
                name = f"{file}.jpg" if domain == "photo" else f"{file // 4}-{file % 4}.png"
                os.close(os.open(folder / name, os.O_CREAT))
    asked = 0
    stat = os.stat

    def counted(*args: object, **options: object) -> os.stat_result:
        nonlocal asked
        asked += 1
        return stat(*args, **options)

    monkeypatch.setattr(os, "stat", counted)
    started = time.perf_counter()
    data = read(tmp_path)
    took = time.perf_counter() - started
    assert len(data.sketches) + len(data.photos) == 20_000
    assert asked < 1000
    assert took < 5  # 0.1 s on an idle machine


def test_the_real_data_is_read_whole() -> None:
    folder = shared_data()
    if folder is None:
        pytest.skip("needs the training data (MAGIC_PENCIL_DATA)")
    data = read(folder / "sketchy-mini")
    assert len(data.categories) == 104
    assert (len(data.sketches), len(data.photos)) == (2204, 1976)
    assert all(sketch.photo is not None for sketch in data.sketches)
    assert data.remarks() == []


def test_photos_without_folders_are_a_category_each(tmp_path: Path) -> None:
    make(tmp_path / "n1_tench.jpg", tmp_path / "notes.txt")
    path = tmp_path / "n1_tench.jpg"
    assert read_photos(tmp_path) == (Picture(path, "n1_tench", "n1_tench"),)
