"""What moderators ask of a collection: done on its files, or refused with a code."""

from __future__ import annotations

import io
import os
import time

import pytest
from PIL import Image

from retrieval import index, library, thumbnails
from retrieval.curation import KEPT_SECONDS
from retrieval.encoder import Encoder
from retrieval.home import Home
from retrieval.serving.curating import curate, expire
from retrieval.serving.engine import Engine
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import (
    AddPhoto,
    CancelBuild,
    ChangePhotos,
    EditPhoto,
    ListPhotos,
    Pictures,
    RollBack,
    Verify,
)
from tests import drawings
from tests.conftest import paint

OWN = "server-1"


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home")


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    paint(number).save(buffer, "JPEG")
    return buffer.getvalue()


def add(home: Home, number: int, title: str = "") -> str:
    return curate(home, AddPhoto(OWN, jpeg(number), title or f"Number {number}")).photo_id


def listed(home: Home, words: str = "", **options: object) -> list[str]:
    page = curate(home, ListPhotos(OWN, words, **options))
    return [photo.title for photo in page.photos]


def code(home: Home, asked: object) -> str:
    with pytest.raises(RetrievalError) as caught:
        curate(home, asked)
    return caught.value.code


def test_photos_are_added_listed_in_pages_and_searched(home):
    for number in range(7):
        add(home, number)
    first = curate(home, ListPhotos(OWN, limit=3))
    assert first.total == 7
    assert len(first.photos) == 3
    assert all(photo.thumbnail.startswith(b"\xff\xd8") for photo in first.photos)
    assert all(photo.until is None for photo in first.photos)
    rest = curate(home, ListPhotos(OWN, offset=3, limit=99, pictures=False))
    assert {p.photo_id for p in first.photos}.isdisjoint({p.photo_id for p in rest.photos})
    assert len(rest.photos) == 4
    assert not any(photo.thumbnail for photo in rest.photos)
    assert listed(home, "number 3") == ["Number 3"]
    assert curate(home, ListPhotos(OWN, offset=99)).photos == ()


def test_looking_makes_nothing(home):
    assert curate(home, ListPhotos(OWN)).total == 0
    assert curate(home, ListPhotos(OWN, removed=True)).total == 0
    for asked in (EditPhoto(OWN, "a" * 64, "x"), ChangePhotos(OWN, ("a" * 64,), "removed")):
        assert code(home, asked) == "unknown_collection"
    assert library.names(home) == []


def test_removed_photos_have_their_days_and_can_be_brought_back(home):
    photo_id = add(home, 1)
    assert curate(home, ChangePhotos(OWN, (photo_id,), "removed")).photo_ids == (photo_id,)
    assert listed(home) == []
    (removed,) = curate(home, ListPhotos(OWN, removed=True)).photos
    assert removed.until == pytest.approx(time.time() + KEPT_SECONDS, abs=60)
    assert expire(home) == 0
    curate(home, ChangePhotos(OWN, (photo_id,), "restored"))
    assert listed(home) == ["Number 1"]
    curate(home, ChangePhotos(OWN, (photo_id,), "removed"))
    folder = home.collection(OWN) / "removed" / photo_id
    os.utime(folder, (0, 0))
    assert expire(home) == 1
    assert not folder.exists()
    with pytest.raises(FileNotFoundError):
        thumbnails.read(home, photo_id, None)


def test_an_erased_photo_leaves_nothing_that_was_computed_of_it(home, encoder: Encoder):
    kept, gone = add(home, 1), add(home, 2)
    engine = Engine(home, encoder)
    for _ in range(2):
        engine.build(OWN, lambda _: None, full=True)
    assert len(index.finished(home.collection(OWN))) == 2
    curate(home, ChangePhotos(OWN, (gone,), "erased"))
    report = engine.build(OWN, lambda _: None)
    assert (report.photos, report.removed) == (1, 1)
    assert len(index.finished(home.collection(OWN))) == 1
    left = [path for path in home.root.rglob("*") if path.is_file() and ".sqlite" not in path.name]
    assert not any(gone in path.as_posix() or gone.encode() in path.read_bytes() for path in left)
    assert any(kept.encode() in path.read_bytes() for path in left)


def test_what_cannot_be_done_is_refused_with_a_code(home, pictures):
    library.register(home, "shared", pictures)
    add(home, 1)
    assert code(home, AddPhoto(OWN, b"text")) == "not_an_image"
    assert code(home, AddPhoto(OWN, jpeg(1)[:500])) == "damaged"
    assert code(home, AddPhoto("shared", jpeg(1))) == "not_yours"
    assert code(home, ChangePhotos("shared", ("a" * 64,), "removed")) == "not_yours"
    assert code(home, ListPhotos("shared")) == "not_yours"
    assert code(home, EditPhoto(OWN, "../../../etc", "x")) == "unknown_photo"
    assert code(home, EditPhoto(OWN, "a" * 64, "x")) == "unknown_photo"
    assert code(home, CancelBuild(OWN)) == "no_build"
    assert code(home, CancelBuild("nobody")) == "unknown_collection"
    assert code(home, RollBack(OWN, "20990101T000000Z-000000")) == "unknown_generation"
    assert curate(home, Verify(OWN)).checked == 0
    assert sum(1 for _ in pictures.iterdir()) == 13  # nothing of the host's was touched


def test_uploads_come_back_harmless_and_photos_by_their_ids(home):
    photo_id = add(home, 1)
    curate(home, ListPhotos(OWN))  # makes the thumbnail
    chalk = Image.new("RGBA", (300, 200))
    chalk.paste("white", (50, 50, 250, 60))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a secret"  # lies on its side
    told = []
    for image, options in ((chalk, {}), (paint(1, 300).crop((0, 0, 300, 200)), {"exif": exif})):
        buffer = io.BytesIO()
        image.save(buffer, "PNG", **options)
        told.append(buffer.getvalue())
    (home.root / "x.jpg").write_bytes(b"not a thumbnail")
    asked = Pictures((*told, b"no picture", b""), (photo_id, "f" * 64, "../../../x"), 128)
    found = curate(home, asked)
    dark, upright = (Image.open(io.BytesIO(data)) for data in found.drawings[:2])
    assert (dark.format, dark.mode, max(dark.size)) == ("PNG", "RGB", 128)
    assert dark.getpixel((0, 0)) == (0, 0, 0)  # white chalk is shown on black
    assert upright.size == (85, 128)
    assert b"secret" not in found.drawings[1]
    assert found.drawings[2:] == (b"", b"")
    assert found.photos[0].startswith(b"\xff\xd8")
    assert found.photos[1:] == (b"", b"")


def test_a_drawing_is_given_away_as_the_result_card_shows_it(home, encoder: Encoder):
    upload = drawings.render_png("fish")
    shown = Engine(home, encoder).prepare(upload).shown
    assert curate(home, Pictures((upload,), (), 720)).drawings == (shown,)
