"""Real pictures through the shipped encoder: the same way as live ones, and what is left out."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from retrieval import library, photos
from retrieval.evaluation import measure, read
from retrieval.evaluation.folders import Collection
from retrieval.home import Home
from retrieval.serving.engine import Engine
from tests import drawings
from tests.conftest import shared_data
from tests.retrieval.evaluation.conftest import Folders


def quietly(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="session")
def measured(encoder, folders: Folders):
    collection = read(folders.sketches, folders.photos, folders.distractors)
    return measure(encoder, collection, quietly)


def test_every_picture_is_measured_and_distractors_stand_first(measured) -> None:
    assert (len(measured.drawings), len(measured.gallery), measured.distractors) == (6, 17, 5)
    assert [picture.category for picture in measured.gallery[:5]] == [None] * 5
    assert measured.labels.tolist() == ["apple"] * 2 + ["fish"] * 2 + ["hammer"] * 2
    assert (measured.unreadable, measured.not_counted) == ((), {})
    assert measured.scores.counted("recall_at_1") == 6


def test_what_is_found_is_what_the_bot_would_find_in_the_same_order(
    measured, encoder, folders, tmp_path
) -> None:
    collected = tmp_path / "collected"
    shutil.copytree(folders.photos, collected)
    shutil.copytree(folders.distractors, collected / "others")
    engine = Engine(Home(tmp_path / "home"), encoder)
    library.register(engine.home, "shared", collected)
    engine.build("shared", lambda _: None)
    assert measured.encoder == engine.encoder_label
    first = set()
    for row, drawing in enumerate(measured.drawings):
        matches = engine.match(drawing.path.read_bytes(), ("shared",), 5).matches
        ours = [measured.gallery[place].path.name for place in measured.scores.top[row]]
        assert ours == [Path(match.photo).name for match in matches]
        first.add(ours[0])
    assert len(first) > 1  # not one photo for everything


def test_figures_are_those_of_the_definition(encoder, folders: Folders) -> None:
    collection = read(folders.sketches, folders.photos, folders.distractors)
    measured = measure(encoder, collection, quietly, by_similarity=True)
    pictures = [encoder.prepare_photo(photos.read(photo.path)) for photo in measured.gallery]
    vectors = np.concatenate([encoder.embed_photos([picture]) for picture in pictures])
    engine = Engine(Home(Path("unused")), encoder)
    for row, drawing in enumerate(measured.drawings):
        prepared = engine.prepare(drawing.path.read_bytes())
        query = encoder.embed_sketches([prepared.network_input])[0]
        ranked = sorted(range(len(vectors)), key=lambda place: -float(vectors[place] @ query))
        precisions, own_rank = [], 0
        for place, index in enumerate(ranked, start=1):
            if measured.gallery[index].category == drawing.category:
                precisions.append((len(precisions) + 1) / place)
            if measured.gallery[index].path.stem == f"{drawing.category}_0":
                own_rank = place
        values = {figure: value[row] for figure, value in measured.scores.values.items()}
        assert values["map"] == pytest.approx(sum(precisions) / 4)
        assert values["hit_at_1"] == (precisions[0] == 1)
        assert values["recall_at_5"] == (own_rank <= 5)
        assert values["recall_at_10"] == (own_rank <= 10)


def test_drawings_are_found_by_the_pictures_made_of_them(measured) -> None:
    # The other 16 photos are soft coloured shapes; chance would be 1/17, within a category 1/4.
    assert measured.scores.mean("recall_at_1") > 0.4
    assert measured.scores.mean("recall_at_1_within_category") > 0.6


def test_files_that_cannot_be_used_are_named_with_the_reason_and_change_nothing(
    measured, encoder, own_folders, spoil
) -> None:
    reasons = spoil(own_folders)
    collection = read(own_folders.sketches, own_folders.photos, own_folders.distractors)
    found = measure(encoder, collection, quietly)
    assert {Path(item.file).name for item in found.unreadable} == set(reasons)
    for item in found.unreadable:
        assert Path(item.file).is_file()
        assert reasons[Path(item.file).name] in item.reason
    for figure, values in measured.scores.values.items():
        np.testing.assert_allclose(found.scores.values[figure], values, atol=1e-6)


def test_a_drawing_whose_photo_is_not_there_counts_for_its_category_alone(
    encoder, own_folders
) -> None:
    (own_folders.photos / "fish" / "fish_0.jpg").unlink()
    shutil.copy(own_folders.photos / "hammer/hammer_0.jpg", own_folders.photos / "fish/apple_0.jpg")
    found = measure(encoder, read(own_folders.sketches, own_folders.photos), quietly)
    assert found.scores.counted("map") == 6
    assert (
        np.isnan(found.scores.values["recall_at_1"]).tolist()
        == [False] * 2 + [True] * 2 + [False] * 2
    )


def test_a_category_whose_photos_cannot_be_read_does_not_count(encoder, own_folders) -> None:
    for photo in (own_folders.photos / "fish").iterdir():
        photo.write_bytes(b"")
    drawings.render("car").save(own_folders.sketches / "fish" / "another.png")
    (own_folders.sketches / "car").mkdir()
    drawings.render("car").save(own_folders.sketches / "car" / "car_0-1.png")
    found = measure(encoder, read(own_folders.sketches, own_folders.photos), quietly)
    assert found.not_counted == {"car": 1, "fish": 3}
    assert found.scores.counted("map") == len(found.drawings) == 4
    assert len(found.unreadable) == 4


def test_nothing_that_can_be_read_is_an_error_that_names_a_file(encoder, own_folders) -> None:
    for photo in own_folders.photos.glob("*/*"):
        photo.write_bytes(b"no picture")
    with pytest.raises(OSError, match=r"no category could both.*apple_0\.png: This is no picture"):
        measure(encoder, read(own_folders.sketches, own_folders.photos), quietly)


def test_progress_is_told_of_photos_drawings_and_ranking(encoder, folders) -> None:
    told = []
    collection = read(folders.sketches, folders.photos)
    measure(encoder, collection, lambda *progress: told.append(progress))
    assert told[-1] == ("Ranking", 6, 6)
    assert ("Photos", 12, 12) in told
    assert ("Drawings", 6, 6) in told


def test_real_drawings_find_photos_of_their_category_and_often_their_own(encoder) -> None:
    data = shared_data()
    if data is None:
        pytest.skip("the shared data is not here")
    everything = read(data / "sketchy-mini" / "sketch", data / "sketchy-mini" / "photo")
    some = {"airplane", "duck", "guitar", "umbrella"}
    subset = Collection(
        tuple(picture for picture in everything.drawings if picture.category in some)[::6],
        tuple(picture for picture in everything.photos if picture.category in some)[::2],
        tuple(
            dataclasses.replace(picture, category=None, photo=None)
            for picture in everything.photos[::100]
            if picture.category not in some
        ),
        {},
        (),
    )
    found = measure(encoder, subset, quietly)
    assert not found.unreadable
    assert 10 <= len(found.drawings) <= 20
    assert found.scores.counted("recall_at_1") > 0
    # Four categories and distractors: chance is below .25, and the encoder has seen these.
    assert found.scores.mean("map") > 0.8
    assert found.scores.mean("hit_at_1") > 0.8
