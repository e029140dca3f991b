"""What is kept from training never reaches it, and a split's file holds to that."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest

from retrieval.training.data import DataSet, merge, read, read_photo_folders, read_sketch_folders
from retrieval.training.splits import Parts, Split, SplitError, load, make_split
from tests.conftest import shared_data


def make(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def make_data(root: Path, categories: int = 6, drawn: int = 4, undrawn: int = 4) -> DataSet:
    """Categories of photos, the first of which have two drawings each."""
    for category in range(categories):
        for photo in range(drawn + undrawn):
            make(root / f"photo/c_{category}/n{photo}.jpg")
        for photo in range(drawn):
            make(*(root / f"sketch/c_{category}/n{photo}-{n}.png" for n in (1, 2)))
    return read(root)


def random_data(root: Path, seed: int) -> DataSet:
    """A data set of odd shape: groups of any size, none included, and drawings of no photo."""
    chance = random.Random(seed)
    make(root / "a/photo/c/0.jpg", root / "a/sketch/c/0-1.png", root / "b/c/0.png")
    for category in range(chance.randrange(2, 8)):
        for photo in range(chance.choice((0, 1, 2, 3, 9))):
            make(root / f"a/photo/c {category}/{photo}.jpg")
        for photo in range(chance.choice((0, 1, 2, 3, 9))):
            for n in range(chance.randrange(4)):
                make(root / f"a/sketch/C-{category}/{photo}-{n}.png")
        for sketch in range(chance.choice((0, 1, 2, 5))):
            make(root / f"b/c_{category}/{sketch}-1.png")
    return merge([read(root / "a"), read_sketch_folders(root / "b")])


def assert_no_leak(data: DataSet, split: Split, parts: Parts) -> None:
    """Every picture is in one part, and nothing in training tells of what is kept from it."""
    for domain in ("sketches", "photos"):
        divided = [getattr(part, domain) for part in (parts.train, parts.unseen, parts.held)]
        listed = [picture for part in divided for picture in part]
        assert len(listed) == len(set(listed))
        assert set(listed) == set(getattr(data, domain))
    learnt = (*parts.train.sketches, *parts.train.photos)
    kept = (*parts.held.sketches, *parts.held.photos)
    assert not {picture.category for picture in learnt} & set(split.unseen)
    assert not {picture.category for picture in kept} & set(split.unseen)
    assert set(parts.unseen.categories) == set(split.unseen)
    instances = {picture.instance for picture in kept} - {None}
    assert not {picture.instance for picture in learnt} & instances
    # Every held drawing has an answer among the held photos: its own photo, if it shows one.
    answers = {photo.instance for photo in parts.held.photos}
    assert {sketch.instance for sketch in parts.held.sketches} - {None} <= answers
    assert set(parts.held.without_photos) == set()


@pytest.mark.parametrize("seed", range(20))
def test_nothing_kept_from_training_reaches_it(tmp_path: Path, seed: int) -> None:
    data = random_data(tmp_path, seed)
    complete = len(data.categories) - len({*data.without_photos, *data.without_sketches})
    split = make_split(data, seed, unseen_categories=complete // 2, held_share=0.4)
    parts = split.parts(data)
    assert_no_leak(data, split, parts)
    assert len(split.unseen) == complete // 2
    assert parts.train.sketches
    assert parts.train.photos


def test_nothing_of_the_real_data_that_is_kept_from_training_reaches_it() -> None:
    folder = shared_data()
    if folder is None:
        pytest.skip("needs the training data (MAGIC_PENCIL_DATA)")
    data = read(folder / "sketchy-mini")
    split = make_split(data, seed=0)
    parts = split.parts(data)
    assert_no_leak(data, split, parts)
    assert len(split.unseen) == 21
    assert len(parts.train.categories) == len(parts.held.categories) == 83
    # In every seen category a photo that has drawings is held, and one that has none.
    drawn = {sketch.instance for sketch in data.sketches}
    for having in (True, False):
        held = {p.category for p in parts.held.photos if (p.instance in drawn) is having}
        assert held == set(parts.train.categories)


def test_a_split_depends_on_the_seed_and_not_on_the_order(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    turned = DataSet(data.sketches[::-1], data.photos[::-1])
    split = make_split(data, 1, 2)
    assert make_split(turned, 1, 2) == split
    other = make_split(data, 2, 2)
    assert (other.unseen, other.held) != (split.unseen, split.held)
    # Written down once: another platform or Python must choose the same.
    assert split.unseen == ("c 2", "c 3")
    assert split.held["c 5"] == ("n3", "n6")


@pytest.mark.parametrize(
    ("drawn", "undrawn", "share", "held"),
    [
        (4, 8, 0.25, (1, 2)),
        (2, 2, 0.01, (1, 1)),  # at least one of two
        (1, 1, 0.9, (0, 0)),  # and none of one
        (2, 3, 0.99, (1, 2)),  # never all
        (4, 8, 0.0, (0, 0)),
    ],
)
def test_the_share_is_taken_of_photos_with_and_without_drawings(
    tmp_path: Path, drawn: int, undrawn: int, share: float, held: tuple[int, int]
) -> None:
    data = make_data(tmp_path, 1, drawn, undrawn)
    parts = make_split(data, 0, 0, share).parts(data)
    shown = {sketch.photo for sketch in data.sketches}
    photos = [photo.photo in shown for photo in parts.held.photos]
    assert (photos.count(True), photos.count(False)) == held
    assert len(parts.held.sketches) == 2 * held[0]


def test_single_drawings_are_held_by_file_where_photos_are(tmp_path: Path) -> None:
    for number in range(8):
        make(tmp_path / f"tu/cat/{number}-1.png", tmp_path / f"tu/angel/{number}.png")
        make(tmp_path / f"photos/cat/{number}.jpg", tmp_path / f"photos/dog/{number}.jpg")
    data = merge([read_sketch_folders(tmp_path / "tu"), read_photo_folders(tmp_path / "photos")])
    split = make_split(data, 0, 0, 0.25)
    parts = split.parts(data)
    assert_no_leak(data, split, parts)
    assert set(split.held) == set(split.held_sketches) == {"cat"}  # the others cannot be asked of
    assert (len(parts.held.sketches), len(parts.held.photos)) == (2, 2)


def test_everything_can_be_trained_on(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    parts = make_split(data, 0, unseen_categories=0, held_share=0).parts(data)
    assert parts.train == data
    assert parts.unseen == parts.held == DataSet((), ())


@pytest.mark.parametrize("share", [-0.1, 1, 25])
def test_a_share_that_is_none_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(SplitError, match="below 1"):
        make_split(make_data(tmp_path), 0, 0, share)


@pytest.mark.parametrize("count", [6, 21, -1])
def test_training_keeps_a_category(tmp_path: Path, count: int) -> None:
    data = make_data(tmp_path)
    with pytest.raises(SplitError, match="6 have drawings and photos"):
        make_split(data, 0, count)
    assert len(make_split(data, 0, 5).unseen) == 5


def test_unseen_categories_can_be_named(tmp_path: Path) -> None:
    for name in ("rabbit", "hot-air_balloon", "hotdog"):
        make(tmp_path / f"photo/{name}/n1.jpg", tmp_path / f"sketch/{name}/n1-1.png")
    data = read(tmp_path)
    split = make_split(data, 0, unseen=["Hot air balloon", "hot dog"])
    assert split.unseen == ("hot air balloon", "hotdog")
    with pytest.raises(SplitError, match=r"no category 'rabit'\. Did you mean 'rabbit'\?"):
        make_split(data, 0, unseen=["rabit"])
    with pytest.raises(SplitError, match=r"no category 'xylophone'\.$"):
        make_split(data, 0, unseen=["xylophone"])
    with pytest.raises(SplitError, match="nothing is left"):
        make_split(data, 0, unseen=data.categories)


def test_the_official_test_list_is_held(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    with pytest.raises(SplitError, match="info folder"):
        make_split(data, 0, 0, official=True)
    listed = {("c 1", "n1"), ("c 2", "n0"), ("c 3", "n2"), ("c 3", "absent")}
    data = dataclasses.replace(data, official_test=frozenset(listed))
    split = make_split(data, 0, unseen=["c 1"], official=True)
    assert split.held == {"c 2": ("n0",), "c 3": ("n2",)}
    parts = split.parts(data)
    assert_no_leak(data, split, parts)
    assert len(parts.held.sketches) == 4


def test_a_file_gives_back_the_split(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    split = make_split(data, 3, 2)
    split.save(tmp_path / "new" / "split.json")
    assert load(tmp_path / "new" / "split.json") == split
    content = json.loads((tmp_path / "new" / "split.json").read_text())
    assert content["seed"] == 3
    assert content["categories"] == data.categories
    assert content["digest"] == split.digest
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["split.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"unseen": []},
        {"held": {}},
        {"data_set": "0" * 64},
        {"digest": "0" * 64},
    ],
)
def test_an_edited_file_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "split.json"
    make_split(make_data(tmp_path / "data"), 3, 2).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SplitError, match=r"was changed after it was made.*make a new split"):
        load(path)


def test_what_is_no_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    with pytest.raises(SplitError, match="Cannot read"):
        load(path)
    for content in (b"", b"[]", b'"x"', b"{}", b"\xff", b'{"digest": "", "format": 1}'):
        path.write_bytes(content)
        with pytest.raises(SplitError, match="is not a split"):
            load(path)
    path.write_text('{"digest": "", "format": 2, "folds": []}')
    with pytest.raises(SplitError, match="format 2, this version reads 1"):
        load(path)


def test_other_data_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    split = make_split(data, 0, 2)
    make(*(tmp_path / f"{new}" for new in ("photo/c_0/new.jpg", "sketch/c_0/new-1.png")))
    held = next(iter(split.held))
    make(tmp_path / "sketch" / held.replace(" ", "_") / f"{split.held[held][0]}-9.png")
    grown = read(tmp_path)
    with pytest.raises(SplitError, match="made for other data"):
        split.check(grown)
    with pytest.raises(SplitError, match="made for other data"):
        split.parts(grown)
    split.check(grown, other_data=True)
    parts = split.parts(grown, other_data=True)
    assert_no_leak(grown, split, parts)
    # A new drawing of a held photo is held with it.
    assert f"{split.held[held][0]}-9.png" in {sketch.path.name for sketch in parts.held.sketches}


def test_a_category_that_the_split_does_not_know_is_always_refused(tmp_path: Path) -> None:
    split = make_split(make_data(tmp_path), 0, 2)
    make(tmp_path / "photo" / "rabbit" / "n1.jpg")
    for other_data in (False, True):
        with pytest.raises(SplitError, match=r"categories of the data: rabbit\. Make a new split"):
            split.parts(read(tmp_path), other_data=other_data)
