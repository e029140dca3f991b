"""From an upload's bytes to matches, with the shipped encoder and real indexes."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import hubness, images, index, library, photos, sketches
from retrieval.evaluation import rank_as_shown
from retrieval.home import CollectionNameError, Home
from retrieval.serving.engine import DRAWING_SIDE, Engine
from retrieval.serving.errors import RetrievalError
from tests import drawings
from tests.conftest import paint
from tests.retrieval.index import building

ROOT = Path(__file__).parents[3]
FISH = drawings.render_png("fish")


def saved(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def embedded(encoder, folder: Path) -> dict[str, np.ndarray]:
    """Embed every picture of a folder, without an index or a cache."""
    files = library.scan(folder).files
    prepared = [encoder.prepare_photo(photos.read(file.path)) for file in files]
    return dict(zip((file.name for file in files), encoder.embed_photos(prepared), strict=True))


def brute_force(encoder, drawing: bytes, vectors: dict[str, np.ndarray]) -> dict[str, float]:
    """Score photos against a drawing, in the order in which they are shown."""
    sketch = sketches.canonicalise(images.decode(drawing))
    query = encoder.embed_sketches([encoder.prepare_sketch(sketch)])
    names, matrix = list(vectors), np.stack(list(vectors.values()))
    extended = encoder.hubness.extended_photos(matrix)
    (order,) = rank_as_shown(hubness.extended_queries(query), extended, encoder.compared)
    return {names[row]: float(matrix[row] @ query[0]) for row in order}


@pytest.fixture(scope="module")
def picture_vectors(encoder, pictures: Path) -> dict[str, np.ndarray]:
    return embedded(encoder, pictures)


@pytest.fixture
def changeable(indexed: Home, pictures: Path, encoder, tmp_path: Path) -> Engine:
    """An engine on a home, and a folder of photos, of the test's own."""
    shutil.copytree(pictures, tmp_path / "photos")
    shutil.copytree(indexed.root, tmp_path / "home")
    home = Home(tmp_path / "home")
    library.register(home, "shared", tmp_path / "photos")
    return Engine(home, encoder)


@pytest.mark.parametrize("name", ["fish", "apple", "hammer", "giraffe"])
def test_matches_are_those_of_an_exact_search_in_their_order(
    engine, encoder, picture_vectors, name
):
    drawing = drawings.render_png(name)
    exact = brute_force(encoder, drawing, picture_vectors)
    found = engine.match(drawing, ("shared",), 12)
    assert [match.photo for match in found.matches] == list(exact)
    np.testing.assert_allclose(
        [match.score for match in found.matches], list(exact.values()), atol=2e-4
    )
    assert [match.rank for match in found.matches] == list(range(1, 13))
    assert len({match.score for match in found.matches}) > 6  # the encoder tells them apart


def test_fewer_are_asked_for_and_the_best_come(engine):
    everything = engine.match(FISH, ("shared",), 12).matches
    assert engine.match(FISH, ("shared",), 3).matches == everything[:3]


def test_a_match_says_all_that_a_result_card_needs(engine, encoder, pictures):
    found = engine.match(FISH, ("shared",), 12)
    assert found.encoder == f"{encoder.name}@{encoder.digest[:8]}"
    assert found.timings_ms.keys() == {"prepare", "encode", "search", "total"}
    assert found.timings_ms["total"] >= found.timings_ms["encode"] > 0
    by_name = {match.photo: match for match in found.matches}
    described = by_name["picture_00.jpg"]
    assert (described.title, described.credit) == ("A *red* thing", "Ann_Onymous")
    assert by_name["picture_03.jpg"].title == "Picture 03"
    for match in found.matches:
        assert match.collection == "shared"
        with Image.open(io.BytesIO(match.thumbnail)) as thumbnail:
            assert thumbnail.format == "JPEG"
            shown = np.asarray(thumbnail, float)
        original = np.asarray(photos.read(pictures / match.photo), float)
        assert np.abs(shown - original).mean() < 6  # this photo's thumbnail and no other's


def test_two_collections_are_searched_together_and_a_photo_in_both_appears_once(
    changeable, encoder, picture_vectors, tmp_path
):
    more = tmp_path / "more"
    more.mkdir()
    for number in (50, 51, 52):
        paint(number).save(more / f"more_{number}.jpg")
    shutil.copy(tmp_path / "photos" / "picture_05.jpg", more / "the_same.jpg")
    library.register(changeable.home, "more", more)
    changeable.build("more", lambda _: None)
    found = changeable.match(FISH, ("shared", "more"), 20)
    assert len(found.matches) == len({match.photo_id for match in found.matches}) == 15
    vectors = picture_vectors | embedded(encoder, more)
    del vectors["the_same.jpg"]
    exact = brute_force(encoder, FISH, vectors)
    scores = [match.score for match in found.matches]
    np.testing.assert_allclose(scores, list(exact.values()), atol=2e-4)
    assert {match.collection for match in found.matches} == {"shared", "more"}
    assert len(found.generation.split("+")) == 2
    only = changeable.match(FISH, ("more",), 20)
    assert {match.collection for match in only.matches} == {"more"}


def test_a_collection_without_an_index_does_not_spoil_the_others(engine):
    assert len(engine.match(FISH, ("nobodys", "shared"), 5).matches) == 5
    with pytest.raises(RetrievalError) as caught:
        engine.match(FISH, ("nobodys",), 5)
    assert caught.value.code == "no_index"


def test_a_name_that_leads_out_of_the_home_is_refused(engine):
    with pytest.raises(CollectionNameError):
        engine.match(FISH, ("../collections/shared",), 5)


def test_an_index_published_by_another_process_is_searched_from_then_on(
    changeable, encoder, tmp_path
):
    before = changeable.match(FISH, ("shared",), 20)
    paint(77).save(tmp_path / "photos" / "new.jpg")
    (tmp_path / "photos" / "picture_00.jpg").unlink()
    identity = [encoder.digest, encoder.preprocessing, str(encoder.dim)]
    command = [sys.executable, "-m", "tests.retrieval.index.building", str(changeable.home.root)]
    command += ["shared", "plain", *identity]
    built = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    after = changeable.match(FISH, ("shared",), 20)
    assert after.generation == built.stdout.strip() != before.generation
    names = {match.photo for match in after.matches}
    assert "new.jpg" in names
    assert "picture_00.jpg" not in names


def edit_manifest(home: Home, **changes: object) -> None:
    folder = home.collection("shared")
    serving = index.current_id(folder)
    building.edit_manifest(folder / "generations" / serving / "manifest.json", **changes)


@pytest.mark.parametrize("change", [{"encoder": "e" * 64}, {"preprocessing": "older"}])
def test_an_index_of_another_encoder_is_not_searched_and_the_way_out_is_said(changeable, change):
    edit_manifest(changeable.home, **change)
    with pytest.raises(RetrievalError, match="rebuild") as caught:
        changeable.match(FISH, ("shared",), 5)
    assert caught.value.code == "other_encoder"
    changeable.build("shared", lambda _: None)
    assert changeable.match(FISH, ("shared",), 5).matches


def test_a_damaged_index_is_said_to_be_damaged(changeable):
    (index_file,) = changeable.home.root.rglob("index.faiss")
    spoilt = bytearray(index_file.read_bytes())
    spoilt[-1] ^= 1
    index_file.write_bytes(spoilt)
    with pytest.raises(RetrievalError, match="rebuild") as caught:
        changeable.match(FISH, ("shared",), 5)
    assert caught.value.code == "bad_index"


def test_a_photo_that_was_deleted_since_still_matches_and_keeps_its_thumbnail(changeable, tmp_path):
    shutil.rmtree(tmp_path / "photos")
    assert all(match.thumbnail for match in changeable.match(FISH, ("shared",), 12).matches)
    shutil.rmtree(changeable.home.thumbnails)
    found = changeable.match(FISH, ("shared",), 12).matches
    assert [match.thumbnail for match in found] == [b""] * 12


def test_cleared_thumbnails_are_made_again(changeable):
    before = changeable.match(FISH, ("shared",), 12).matches
    shutil.rmtree(changeable.home.thumbnails)
    assert changeable.match(FISH, ("shared",), 12).matches == before


def gif(frames: int) -> bytes:
    pictures = [drawings.render("fish", background=tone) for tone in ("white", "yellow")]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:frames])


@pytest.mark.parametrize(
    ("upload", "code"),
    [
        (saved(Image.new("RGB", (300, 200), "white")), "blank"),
        (saved(Image.new("RGBA", (300, 200), (0, 0, 0, 0))), "blank"),
        (gif(2), "animated"),
        (FISH[: len(FISH) // 2], "damaged"),
        (b"", "empty"),
        (b"%PDF-1.7 is no drawing", "not_an_image"),
        (saved(Image.new("1", (20_000, 10))), "too_large"),
        (FISH + bytes(images.MAX_BYTES), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_upload_that_is_no_drawing_is_refused_in_words(engine, upload, code):
    with pytest.raises(RetrievalError) as caught:
        engine.match(upload, ("shared",), 5)
    assert caught.value.code == code
    assert caught.value.detail.endswith(".")


def test_the_drawing_is_shown_bounded_upright_and_without_its_metadata(engine):
    photo = drawings.render("fish", size=1600).crop((0, 0, 1600, 1200))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    upload = saved(photo, "JPEG", exif=exif, comment=b"SecretPlace")
    with Image.open(io.BytesIO(upload)) as sent:
        assert sent.getexif().get_ifd(0x8825)  # the place is in what was sent
    shown = engine.match(upload, ("shared",), 1).drawing
    assert b"Secret" in upload
    assert b"Secret" not in shown
    with Image.open(io.BytesIO(shown)) as image:
        assert image.format == "PNG"
        assert image.size == (DRAWING_SIDE * 3 // 4, DRAWING_SIDE)
        assert not image.getexif()
        assert not image.info


def test_an_animated_upload_is_told_from_a_still_gif(engine):
    assert engine.match(gif(1), ("shared",), 1).matches


def test_status_tells_of_each_collection_that_was_asked_for(engine):
    shared, nobodys = engine.status(("shared", "nobodys"))
    assert (shared.photos, shared.problem) == (12, None)
    assert nobodys.photos is None
    assert nobodys.problem


def test_white_chalk_on_transparency_is_shown_on_a_background_that_it_is_seen_on(engine):
    chalk = drawings.render("fish").convert("L").point(lambda tone: 255 - tone)
    image = Image.new("RGBA", chalk.size, (255, 255, 255, 0))
    image.putalpha(chalk)
    data = io.BytesIO()
    image.save(data, "PNG")
    shown = Image.open(io.BytesIO(engine.prepare(data.getvalue()).shown)).convert("L")
    dark, light = shown.getextrema()
    assert light - dark > 200
