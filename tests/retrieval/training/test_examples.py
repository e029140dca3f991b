"""Examples say rightly who belongs to whom, and samplers keep to their part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from retrieval.training import data
from retrieval.training.examples import Examples, Part, Sampler, part, read_examples

World = tuple[Examples, dict[str, Part]]


def test_drawings_know_their_photos(shapes: Path, tmp_path: Path) -> None:
    pictures = data.read(shapes)
    examples = read_examples(pictures, (), 64, tmp_path, with_edges=False)
    for row, sketch in enumerate(pictures.sketches):
        photo = pictures.photos[int(examples.own_photo[row])]
        assert sketch.instance == photo.instance
        category = examples.categories[int(examples.sketch_categories[row])]
        assert category == sketch.category == photo.category
    assert examples.sketches.shape == (30, 2, 256, 256)
    assert examples.photos.shape == (15, 3, 64, 64)
    with pytest.raises(ValueError, match="without edge maps"):
        examples.edge_pixels(torch.tensor([0]))


def test_photos_of_no_category_come_last(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    Image.new("RGB", (60, 40), "red").save(tmp_path / "more" / "n1_tench.jpg")
    pictures = data.read(shapes)
    others = data.read_photos(tmp_path / "more")
    examples = read_examples(pictures, others, 32, tmp_path, with_edges=True)
    assert examples.photo_categories.tolist()[-2:] == [2, -1]
    rows = part(pictures, pictures, others=1)
    assert rows.photos.tolist() == list(range(16))
    assert examples.edge_pixels(torch.tensor([15])).shape == (1, 2, 256, 256)


def test_pictures_are_decoded_once_and_again_when_they_change(tmp_path: Path) -> None:
    from .conftest import make_shapes

    pictures = data.read(make_shapes(tmp_path / "data", photos=2))

    def sketches() -> object:
        return read_examples(pictures, (), 32, tmp_path / "cache", with_edges=False).sketches

    first = sketches()
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").glob("*.npy")}
    sketches()
    assert files == {f: f.stat().st_mtime_ns for f in (tmp_path / "cache").glob("*.npy")}
    Image.new("L", (99, 99), 0).save(pictures.sketches[0].path)
    assert sketches().filename != first.filename  # type: ignore[attr-defined]


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    from .conftest import make_shapes

    pictures = data.read(make_shapes(tmp_path / "data", photos=2))
    pictures.photos[1].path.write_bytes(b"no picture")
    with pytest.raises(Exception) as caught:  # noqa: PT011
        read_examples(pictures, (), 32, tmp_path / "cache", with_edges=False)
    assert str(pictures.photos[1].path) in "".join(caught.value.__notes__)


def test_samples_keep_to_their_part_and_to_what_is_asked(world: World) -> None:
    examples, parts = world
    sampler = Sampler(examples, parts["train"])
    sketches = sampler.some_sketches(200)
    mine = examples.sketch_categories[sketches]
    assert torch.equal(sketches.unique(), parts["train"].sketches)
    for chosen in (sampler.same_category(sketches), sampler.positives(sketches)):
        assert torch.equal(examples.photo_categories[chosen], mine)
        assert bool(torch.isin(chosen, parts["train"].photos).all())
    assert torch.equal(sampler.positives(sketches), examples.own_photo[sketches])
    others = sampler.other_category(sketches)
    assert not bool((examples.photo_categories[others] == mine).any())
    assert len(others.unique()) == len(parts["train"].photos)
    known = examples.photo_categories[parts["train"].photos]
    both = parts["train"].photos[(known == 0) | (known == 2)]
    assert set(sampler.photos_of(torch.tensor([0, 2, 2])).tolist()) == set(both.tolist())
    assert set(sampler.labels(mine).tolist()) == {0, 1, 2}


def test_one_category_cannot_be_contrasted(world: World) -> None:
    examples, parts = world
    only = examples.sketch_categories[parts["train"].sketches] == 0
    with pytest.raises(ValueError, match="two or more categories"):
        Sampler(examples, Part(parts["train"].sketches[only], parts["train"].photos))
