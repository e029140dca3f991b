"""From a folder of photos to the index that serves: what a build does, counts and refuses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from retrieval import index, library, thumbnails
from retrieval import photos as photo_files
from retrieval.home import Home
from retrieval.index import publish
from retrieval.library import UnknownCollectionError
from retrieval.reports import BuildReport, Progress, Unreadable
from tests.retrieval.index.building import ColourEmbedder
from tests.retrieval.index.conftest import NAME, noise

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "tests.retrieval.index.building"]


def build(
    home: Home,
    embedder: ColourEmbedder | None = None,
    name: str = NAME,
    wishes: index.Wishes | None = None,
) -> BuildReport:
    return index.build(home, name, embedder or ColourEmbedder(), lambda _: None, wishes)


def opened(home: Home) -> index.Generation:
    generation = index.open_current(home.collection(NAME))
    assert generation is not None
    return generation


def generations(home: Home) -> list[str]:
    return sorted(path.name for path in (home.collection(NAME) / "generations").iterdir())


def vector_of(path: Path):
    embedder = ColourEmbedder()
    return embedder.embed_photos([embedder.prepare_photo(photo_files.read(path))])[0]


def build_in_a_process(home: Home, mode: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, str(home.root), NAME, mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def a_build_that_waits(home: Home) -> Iterator[subprocess.Popen[str]]:
    """Start a build in another process and hold it in the middle of encoding."""
    process = subprocess.Popen(
        [*COMMAND, str(home.root), NAME, "wait"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout.readline() == "encoding\n"
            yield process
        finally:
            process.kill()


def test_each_photo_is_found_by_its_own_vector(home, photos):
    build(home)
    generation = opened(home)
    for file in library.scan(photos).files:
        best = generation.search(vector_of(file.path), 3)
        assert best[0].photo.name == file.name
        assert best[0].score == pytest.approx(1, abs=1e-5)
        assert best[0].score > best[1].score >= best[2].score


def test_a_search_for_more_than_there_is_returns_all_of_it_once(home, photos):
    build(home)
    hits = opened(home).search(vector_of(photos / "photo_00.png"), 1000)
    assert len({hit.photo.photo_id for hit in hits}) == len(hits) == 20


def test_what_is_known_of_a_photo_is_in_the_index(home, photos):
    (photos / "photo_07.json").write_text('{"title": "Seven", "credit": "Ann", "licence": "CC0"}')
    build(home)
    by_name = {photo.name: photo for photo in opened(home).photos}
    seven = by_name["photo_07.png"]
    assert (seven.title, seven.credit, seven.licence) == ("Seven", "Ann", "CC0")
    assert by_name["photo_08.png"].title == "Photo 08"


def test_the_report_counts_what_changed_since_the_last_build(home, photos):
    first = build(home)
    assert (first.photos, first.added, first.unchanged, first.removed) == (20, 20, 0, 0)
    (photos / "photo_00.png").unlink()
    noise(100).save(photos / "photo_01.png")  # another picture under the same name
    noise(101).save(photos / "new.png")
    (photos / "photo_02.png").rename(photos / "renamed.png")  # the same photo
    shutil.copy(photos / "photo_03.png", photos / "twice.png")
    second = build(home)
    assert (second.photos, second.added, second.unchanged, second.removed) == (20, 2, 18, 2)
    assert second.duplicates == 1
    assert second.unreadable == ()
    names = {photo.name for photo in opened(home).photos}
    assert "renamed.png" in names
    assert "twice.png" not in names
    assert second.generation == index.current_id(home.collection(NAME)) != first.generation


def test_files_that_cannot_be_read_are_named_with_a_reason_and_cost_no_other_photo(home, photos):
    (photos / "a_text.jpg").write_text("not a picture")
    (photos / "b_empty.png").write_bytes(b"")
    whole = (photos / "photo_00.png").read_bytes()
    (photos / "c_cut.png").write_bytes(whole[: len(whole) // 2])
    frames = [noise(1), noise(2)]
    frames[0].save(photos / "d_moves.gif", save_all=True, append_images=frames[1:])
    with (photos / "e_large.png").open("wb") as file:
        file.truncate(photo_files.MAX_BYTES + 1)
    report = build(home)
    assert report.photos == report.added == 20
    assert [item.photo for item in report.unreadable] == [
        "a_text.jpg", "b_empty.png", "c_cut.png", "d_moves.gif", "e_large.png",
    ]  # fmt: skip
    reasons = [item.reason for item in report.unreadable]
    assert len(set(reasons)) == 5
    assert all(reason.endswith(".") for reason in reasons)
    assert opened(home).manifest.unreadable == 5


def test_names_in_many_scripts_are_indexed_and_one_that_is_no_text_is_reported(home, photos):
    names = ["猫.png", "кот.png", "قط.png", "a'b\"c [x].png", "line\nbreak.png"]
    for number, name in enumerate(names):
        noise(50 + number).save(photos / name)
    picture = (photos / "photo_00.png").read_bytes() + b"another"
    Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9.png")).write_bytes(picture)
    report = build(home)
    assert report.unreadable == (Unreadable("caf?.png", "its name is not in UTF-8"),)
    assert set(names) < {photo.name for photo in opened(home).photos}


def test_an_unchanged_rebuild_encodes_nothing(home):
    first, second = ColourEmbedder(), ColourEmbedder()
    build(home, first)
    report = build(home, second)
    assert (first.embedded, second.embedded) == (20, 0)
    assert (report.unchanged, report.added) == (20, 0)


def test_only_new_photos_are_encoded_and_removed_ones_are_remembered(home, photos, tmp_path):
    build(home)
    (photos / "photo_00.png").rename(tmp_path / "aside.png")
    noise(100).save(photos / "new.png")
    with_new = ColourEmbedder()
    build(home, with_new)
    (tmp_path / "aside.png").rename(photos / "back.png")
    with_old = ColourEmbedder()
    assert build(home, with_old).added == 1
    assert (with_new.embedded, with_old.embedded) == (1, 0)


def test_another_encoder_encodes_everything_anew_and_the_index_says_which_it_was(home):
    build(home)
    other = ColourEmbedder(digest="d" * 64)
    report = build(home, other)
    assert other.embedded == 20
    assert report.unchanged == 20  # photos, not vectors
    assert opened(home).manifest.encoder == "d" * 64


def test_progress_goes_through_its_stages_to_the_end(home):
    seen: list[Progress] = []
    index.build(home, NAME, ColourEmbedder(), seen.append)
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["reading", "encoding", "publishing"]
    encoding = [progress.done for progress in seen if progress.stage == "encoding"]
    assert encoding == [16, 20]
    assert all(progress.done <= progress.total for progress in seen)
    assert seen[-1].done == seen[-1].total


def test_each_photo_gets_a_bounded_thumbnail_without_metadata(home, photos):
    exif = Image.Exif()
    exif[0x010E] = "where we live"
    noise(7).resize((1500, 900)).save(photos / "big.jpg", exif=exif)
    build(home)
    (big,) = (photo for photo in opened(home).photos if photo.name == "big.jpg")
    data = thumbnails.read(home, big.photo_id, None)
    assert b"where we live" not in data
    path = home.thumbnails / big.photo_id[:2] / f"{big.photo_id}.jpg"
    with Image.open(path) as image:
        assert image.size == (thumbnails.SIDE, thumbnails.SIDE * 900 // 1500)
    assert not list(home.thumbnails.rglob("*.part"))


def test_a_cleared_thumbnail_is_made_again_for_many_threads_at_once(home, photos):
    build(home)
    photo = opened(home).photos[0]
    original = photos / photo.name
    failures: list[Exception] = []
    for _ in range(30):
        shutil.rmtree(home.thumbnails)
        start = threading.Barrier(8)

        def ask(start: threading.Barrier = start) -> None:
            start.wait()
            try:
                assert thumbnails.read(home, photo.photo_id, original)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_no_more_than_three_generations_are_kept_and_the_one_that_serves_is_among_them(home):
    made = [build(home, wishes=index.Wishes(full=True)).generation for _ in range(5)]
    assert len(generations(home)) == 3
    assert made[-1] in generations(home)
    assert index.current_id(home.collection(NAME)) == made[-1]


def test_the_generation_that_serves_is_kept_even_if_it_is_the_oldest(home):
    folder = home.collection(NAME)
    first = build(home).generation
    for day in range(5):  # later ones by name, as after the clock was set back
        later = f"2099010{day + 1}T000000Z-000000"
        shutil.copytree(folder / "generations" / first, folder / "generations" / later)
    publish.publish(folder / "generations" / first)
    assert index.current_id(folder) == first
    assert generations(home) == [first, "20990104T000000Z-000000", "20990105T000000Z-000000"]


def test_killed_at_any_step_the_old_or_the_new_index_serves_whole_and_nothing_is_left(
    home, photos, tmp_path
):
    for number in range(3):  # so that the next build also lets an old generation go
        noise(200 + number).save(photos / "photo_00.png")
        before = build(home)
    for number in range(100, 140):
        noise(number).save(photos / f"new_{number}.png")
    (photos / "photo_01.png").unlink()
    pristine = tmp_path / "pristine"
    shutil.copytree(home.root, pristine)
    steps = build_in_a_process(home, "steps").stdout.splitlines()[:-1]
    assert len(steps) >= 12
    assert len(set(steps)) >= 11
    published = steps.index("generation published")
    for number, step in enumerate(steps):
        shutil.rmtree(home.root)
        shutil.copytree(pristine, home.root)
        killed = build_in_a_process(home, f"die-{number}")
        assert killed.returncode == -signal.SIGKILL, (step, killed.stderr)
        generation = opened(home)  # checks every byte
        if number < published:
            assert generation.manifest.generation == before.generation, step
        assert len(generation.photos) == (20 if number < published else 59), step
        kept = [photo for photo in generation.photos if (photos / photo.name).exists()]
        for photo in kept:
            assert generation.search(vector_of(photos / photo.name), 1)[0].photo == photo
        again = ColourEmbedder()
        after = build(home, again)
        assert (after.photos, after.edited) == (59, 0), step
        encoded = min(40, 16 * steps[: number + 1].count("batch encoded"))
        assert again.embedded == 40 - encoded, step  # what was done need not be done again
        assert not [name for name in generations(home) if name.startswith(".")], step
        assert len(generations(home)) <= 3, step
        assert len(list(photos.iterdir())) == 59


def test_a_second_build_of_the_same_collection_is_refused_and_the_first_goes_on(home):
    with a_build_that_waits(home) as first:
        for _ in range(2):  # a refusal must not open the door
            with pytest.raises(index.BuildRunningError, match="being built"):
                build(home)
        out, _ = first.communicate(timeout=30)
    assert index.current_id(home.collection(NAME)) == out.strip()
    assert build(home).unchanged == 20


def test_a_build_is_cancelled_from_another_process_and_goes_on_from_there(home, photos):
    folder = home.collection(NAME)
    assert not index.cancel(folder)
    before = build(home).generation
    for number in range(100, 140):
        noise(number).save(photos / f"new_{number}.png")
    with a_build_that_waits(home) as other:
        assert index.status(home, NAME, "c" * 64).building
        assert index.cancel(folder)
        other.communicate(timeout=30)
    assert other.returncode != 0
    assert index.current_id(folder) == before
    assert not index.status(home, NAME, "c" * 64).building
    again = ColourEmbedder()
    assert build(home, again).photos == 60  # the wish to cancel has gone with that build
    assert 0 < again.embedded < 40  # what was encoded before is known


def test_one_goes_back_to_a_kept_generation_and_forward_again(home, photos):
    folder = home.collection(NAME)
    first = build(home).generation
    noise(100).save(photos / "new.png")
    second = build(home).generation
    index.roll_back(folder, first)
    assert index.current_id(folder) == first
    assert len(opened(home).photos) == 20
    kept = {item.generation: item for item in index.status(home, NAME, "c" * 64).kept}
    assert {name: item.serves for name, item in kept.items()} == {first: True, second: False}
    assert (kept[first].photos, kept[second].photos) == (20, 21)
    assert build(home).photos == 21
    for unknown in ("20990101T000000Z-000000", "../../x", ""):
        with pytest.raises(index.GenerationError, match="no generation"):
            index.roll_back(folder, unknown)
    for number in range(300, 340):
        noise(number).save(photos / f"{number}.png")
    with a_build_that_waits(home), pytest.raises(index.BuildRunningError):
        index.roll_back(folder, first)


@pytest.mark.parametrize("file", ["index.faiss", "photos.msgpack", "manifest.json"])
def test_a_changed_byte_is_found_and_one_cannot_go_back_to_it(home, photos, file):
    folder = home.collection(NAME)
    first = build(home).generation
    noise(100).save(photos / "new.png")
    build(home)
    assert index.verify(home, NAME).damaged == {}
    path = folder / "generations" / first / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)
    found = index.verify(home, NAME)
    assert (found.checked, list(found.damaged)) == (2, [first])
    with pytest.raises(index.GenerationError):
        index.roll_back(folder, first)
    assert len(opened(home).photos) == 21


def test_what_was_erased_is_in_no_generation_that_is_kept(home, photos):
    folder = home.collection(NAME)
    for number in range(3):
        noise(200 + number).save(photos / "photo_00.png")
        build(home)
    assert len(index.finished(folder)) == 3
    index.mark_erased(folder)
    (photos / "photo_00.png").unlink()
    latest = build(home).generation
    assert index.finished(folder) == [latest]
    noise(210).save(photos / "photo_00.png")
    build(home)
    assert len(index.finished(folder)) == 2  # from then on as ever


def test_what_is_erased_while_a_build_runs_is_in_nothing_that_the_next_one_keeps(
    home, photos, monkeypatch
):
    folder = home.collection(NAME)
    real = index.Generation.open  # the build opens what it has written, to check it

    def erase_and_open(generation):
        index.mark_erased(folder)
        (photos / "photo_00.png").unlink(missing_ok=True)
        return real(generation)

    index.mark_erased(folder)
    with monkeypatch.context() as during:
        during.setattr(index.Generation, "open", erase_and_open)
        assert build(home).photos == 20
    latest = build(home)
    assert latest.photos == 19
    assert index.finished(folder) == [latest.generation]
    noise(210).save(photos / "photo_00.png")
    build(home)
    assert len(index.finished(folder)) == 2  # from then on as ever


def test_moderators_may_take_the_last_photo_away(home, photos):
    library.register(home, NAME, photos, by="moderators")
    build(home)
    empty(photos)
    report = build(home)
    assert (report.photos, report.removed, report.generation) == (0, 20, "")
    assert index.open_current(home.collection(NAME)) is None
    noise(1).save(photos / "again.png")
    assert build(home).photos == 1


def test_another_collection_is_built_at_the_same_time(home, photos):
    library.register(home, "dogs", photos)
    with a_build_that_waits(home) as first:
        assert build(home, name="dogs").photos == 20
        first.communicate(timeout=30)
    assert first.returncode == 0


def test_a_build_that_was_killed_does_not_lock_its_collection(home):
    with a_build_that_waits(home) as first:
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert build(home).photos == 20


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def spoil(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"spoilt")


@pytest.mark.parametrize(
    ("ruin", "words"),
    [
        (shutil.rmtree, "is not there"),
        (empty, "There is no photo to index in cats.$"),
        (spoil, "1 files could not be read"),  # twenty of the same bytes are one photo
    ],
)
def test_a_folder_without_photos_is_refused_and_the_old_index_serves_on(home, photos, ruin, words):
    before = build(home)
    ruin(photos)
    with pytest.raises(index.NoPhotosError, match=words):
        build(home)
    assert opened(home).manifest.generation == before.generation
    assert generations(home) == [before.generation]


def test_a_collection_that_nobody_made_is_unknown(home):
    with pytest.raises(UnknownCollectionError):
        build(home, name="dogs")


@pytest.mark.parametrize("damage", [b"", b"\0" * 24, b"\xff\xfe", b"gone", b"../generations/{}"])
def test_a_build_mends_an_index_whose_pointer_is_damaged(home, damage):
    generation = build(home).generation.encode()
    (pointer,) = (home.collection(NAME) / "serving").iterdir()
    pointer.write_bytes(damage.replace(b"{}", generation))
    with pytest.raises(index.GenerationError):
        index.open_current(home.collection(NAME))
    assert index.status(home, NAME, "c" * 64).problem
    assert build(home).added == 20
    assert len(opened(home).photos) == 20


def test_vectors_that_find_nothing_are_not_published(home):
    class Broken(ColourEmbedder):
        def embed_photos(self, batch):
            return super().embed_photos(batch) * float("nan")

    before = build(home)
    with pytest.raises(index.GenerationError, match="does not find"):
        build(home, Broken(digest="e" * 64))
    assert index.current_id(home.collection(NAME)) == before.generation


def test_status_tells_what_serves_and_whether_it_is_of_this_encoder(home):
    assert index.status(home, NAME, "c" * 64).problem == "It has not been built yet."
    report = build(home)
    status = index.status(home, NAME, "c" * 64)
    assert (status.photos, status.generation, status.problem) == (20, report.generation, None)
    assert status.encoder == "colours@cccccccc"
    assert status.bytes_on_disk > 20 * 108 * 4  # the vectors alone
    assert "another encoder" in index.status(home, NAME, "d" * 64).problem


def test_status_can_be_asked_while_builds_come_and_go(home):
    build(home)
    folder = home.collection(NAME) / "generations"
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(20):
                (folder / f"x{number}" / "y").mkdir(parents=True, exist_ok=True)
                (folder / f"x{number}" / "y" / "z").write_bytes(b"1")
            for number in range(20):
                shutil.rmtree(folder / f"x{number}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(200):
            assert index.status(home, NAME, "c" * 64).photos == 20
    finally:
        stop.set()
        thread.join()
