"""Photos that moderators add, take away and bring back: whole or not there, and never lost."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from retrieval import library
from retrieval.curation import (
    KEPT_SECONDS,
    SIDE,
    Curation,
    NotKeptError,
    UnknownPhotoError,
    kept_collections,
)
from retrieval.home import Home
from retrieval.images import ImageError
from retrieval.library import Sidecar
from tests.conftest import ROOT

NAME = "server-7"


def jpeg(number: int, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def curation(home: Home) -> Curation:
    return Curation(home, NAME)


def shown(home: Home) -> dict[str, Sidecar]:
    """What a build would find: photos' ids by their folders, and what is known of them."""
    found = library.scan(Path(library.find(home, NAME).source)).files
    return {Path(file.name).parent.name: library.describe(file) for file in found}


def test_a_photo_is_kept_with_what_is_known_of_it_and_without_metadata(home, curation) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where we live"
    photo_id, new = curation.add(jpeg(1, (3000, 1500), exif=exif), Sidecar("Rex", "Ann", "CC0"))
    assert new
    assert shown(home) == {photo_id: Sidecar("Rex", "Ann", "CC0")}
    (file,) = library.scan(Path(library.find(home, NAME).source)).files
    assert b"where we live" not in file.path.read_bytes()
    with Image.open(file.path) as image:
        assert image.size == (SIDE, SIDE // 2)
    assert list(kept_collections(home)) == [NAME]


def test_the_same_photo_is_kept_once(home, curation) -> None:
    first, new = curation.add(jpeg(1), Sidecar("Rex"))
    assert curation.add(jpeg(1), Sidecar("Another title")) == (first, False)
    assert (new, shown(home)[first].title) == (True, "Rex")


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg(1)[:200]])
def test_what_is_no_photo_is_refused_and_leaves_nothing(home, curation, data) -> None:
    with pytest.raises(ImageError):
        curation.add(data, Sidecar())
    assert library.names(home) == []


def test_edit_changes_what_is_known(home, curation) -> None:
    photo_id, _ = curation.add(jpeg(1), Sidecar("Rex"))
    curation.edit(photo_id, "Rex the dog", "Ben")
    assert shown(home)[photo_id] == Sidecar("Rex the dog", "Ben")
    for unknown in ("f" * 64, "../../etc", ""):
        with pytest.raises(UnknownPhotoError):
            curation.edit(unknown, "x")


def test_a_photo_that_is_edited_keeps_its_place_in_the_list(home, curation) -> None:
    older, newer = (curation.add(jpeg(n), Sidecar(f"Number {n}"))[0] for n in (1, 2))
    folder = home.collection(NAME) / "photos" / older[:2] / older
    os.utime(folder, (1_000_000, 1_000_000))
    curation.edit(older, "Another title")
    assert [photo.photo_id for photo in curation.photos()] == [newer, older]
    assert curation.photos()[1].since == 1_000_000


def test_a_photo_removed_while_its_edit_waits_is_unknown(home, curation) -> None:
    photo_id, _ = curation.add(jpeg(1), Sidecar("Rex"))
    raised = []

    def edit() -> None:
        try:
            curation.edit(photo_id, "Max")
        except Exception as error:
            raised.append(type(error))

    with FileLock(home.collection(NAME) / "photos.lock"):
        waiting = threading.Thread(target=edit)
        waiting.start()
        time.sleep(0.2)
        folder = home.collection(NAME) / "photos" / photo_id[:2] / photo_id
        folder.rename(home.collection(NAME) / "removed" / photo_id)
    waiting.join()
    assert raised == [UnknownPhotoError]
    assert [photo.title for photo in curation.removed()] == ["Rex"]


def test_removing_can_be_undone_for_seven_days(home, curation) -> None:
    kept, gone = (curation.add(jpeg(n), Sidecar(f"Number {n}"))[0] for n in (1, 2))
    assert curation.remove([gone, "e" * 64]) == [gone]
    assert set(shown(home)) == {kept}
    (removed,) = curation.removed()
    assert (removed.photo_id, removed.title) == (gone, "Number 2")
    assert removed.since == pytest.approx(time.time(), abs=60)
    assert curation.expire() == []
    assert curation.restore([gone, kept]) == [gone]
    assert shown(home)[gone].title == "Number 2"
    assert curation.removed() == []
    curation.remove([gone])
    assert curation.expire(time.time() + KEPT_SECONDS + 60) == [gone]
    assert curation.restore([gone]) == []


def test_photos_are_listed_the_newest_first_and_found_by_words(home, curation) -> None:
    titles = ("Red dog", "Red cat", "Blue dog")
    for number, title in enumerate(titles):
        photo_id, _ = curation.add(jpeg(number), Sidecar(title, f"By Ann {number}"))
        folder = next(home.collection(NAME).glob(f"photos/??/{photo_id}"))
        os.utime(folder, (1000 + number, 1000 + number))
    assert [photo.title for photo in curation.photos()] == ["Blue dog", "Red cat", "Red dog"]
    assert [photo.title for photo in curation.photos("DOG ann")] == ["Blue dog", "Red dog"]
    assert [photo.title for photo in curation.photos("dog 0")] == ["Red dog"]
    assert curation.photos("horse") == []


def test_a_removed_photo_that_is_added_again_is_there_once(home, curation) -> None:
    photo_id, _ = curation.add(jpeg(1), Sidecar("Old"))
    curation.remove([photo_id])
    assert curation.add(jpeg(1), Sidecar("New")) == (photo_id, True)
    assert curation.removed() == []
    assert shown(home)[photo_id].title == "New"


def test_erasing_leaves_no_byte_of_it(home, curation) -> None:
    one, two, three = (curation.add(jpeg(n), Sidecar(f"Number {n}"))[0] for n in (1, 2, 3))
    curation.remove([two])
    assert curation.erase([one, two, "d" * 64]) == [one, two]
    assert set(shown(home)) == {three}
    left = [path.name for path in home.root.rglob("*")]
    assert not [name for name in left if one in name or two in name]


def test_a_collection_of_the_hosts_own_files_is_not_touched(home, tmp_path) -> None:
    (tmp_path / "photos").mkdir()
    library.register(home, NAME, tmp_path / "photos")
    with pytest.raises(NotKeptError):
        Curation(home, NAME)
    assert list(kept_collections(home)) == []


def test_many_threads_add_and_remove_and_every_photo_is_where_it_was_put_last(
    home, curation
) -> None:
    def work(number: int) -> None:
        mine = Curation(home, NAME)
        photo_id, _ = mine.add(jpeg(number), Sidecar(str(number)))
        mine.add(jpeg(number % 3), Sidecar("shared"))
        if number % 2:
            mine.remove([photo_id])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10, 22)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shown(home)) == 6 + 3
    assert len(curation.removed()) == 6


STORY = """
import os, signal, sys
from pathlib import Path
from retrieval import steps
from retrieval.curation import Curation
from retrieval.home import Home
from retrieval.library import Sidecar
reached = 0
def reach(step):
    global reached
    print(step)
    if reached == int(sys.argv[2]):
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    reached += 1
steps.reach = reach
curation = Curation(Home(Path(sys.argv[1])), "server-7")
one, _ = curation.add(Path(sys.argv[3]).read_bytes(), Sidecar("One"))
curation.remove([one])
curation.restore([one])
"""


def test_killed_anywhere_a_photo_is_there_with_its_title_or_among_the_removed(
    tmp_path: Path,
) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(1))
    outcomes = []
    for number in range(10):
        home = Home(tmp_path / f"home-{number}")
        command = [sys.executable, "-c", STORY, str(home.root), str(number), "photo.jpg"]
        command[-1] = str(tmp_path / "photo.jpg")
        killed = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        again = Curation(home, NAME)
        titles = [about.title for about in shown(home).values()]
        outcomes.append((titles, [photo.title for photo in again.removed()]))
        again.expire()
        assert not [path for path in home.root.rglob("*") if path.name.startswith(".")]
        if killed.returncode != -signal.SIGKILL:
            break
    assert outcomes == [
        ([], []),  # written aside, not yet added
        (["One"], []),
        ([], ["One"]),
        (["One"], []),
        (["One"], []),
    ]
