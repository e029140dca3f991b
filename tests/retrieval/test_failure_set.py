"""Failure cases in a zip: what is written is read again, and nothing hostile is believed."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import random
import stat
import zipfile
from pathlib import Path

import msgspec
import pytest

from retrieval import failure_set, library
from retrieval.failure_set import Case, FailureSetError, JudgedPhoto, Writer
from retrieval.home import Home

DRAWING, PHOTO = b"\x89PNG drawing", b"\xff\xd8 photo"
ONE, TWO = "1" * 64, "2" * 64


def judged(photo_id: str, **changes: object) -> JudgedPhoto:
    about = {
        "rank": 1, "photo_id": photo_id, "file": None, "gallery": "shared", "title": "A fish",
        "credit": "", "score": 0.5, "good": 0, "miss": 2, "funny": 0, "verdict": "failure",
        "notes": ("a note",),
    }  # fmt: skip
    return JudgedPhoto(**(about | changes))


def case(name: str = "a1", **changes: object) -> Case:
    about = {
        "case": name, "drawing": "", "may_train": False, "month": "2026-11",
        "encoder": "one@12345678", "galleries": ("shared",), "photos": (judged(ONE), judged(TWO)),
    }  # fmt: skip
    return Case(**(about | changes))


def write(path: Path, *cases: Case, photos: dict[str, bytes] | None = None) -> Path:
    with Writer(path) as writer:
        for one in cases:
            writer.add(one, DRAWING, {ONE: PHOTO} if photos is None else photos)
        writer.datasheet("# What this is")
    return path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write(tmp_path / "failures.zip", case("b2"), case("a1"))


def rewritten(path: Path, **members: bytes | None) -> Path:
    """Write the zip again with members changed, or left out where None; ``__`` stands for a dot."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files |= {name.replace("__", "."): data for name, data in members.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def with_case(path: Path, **changes: object) -> Path:
    """Make the zip hold one case that says something else."""
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read("cases.jsonl").splitlines()[0])
    line = json.dumps(told | changes).encode()
    return rewritten(path, cases__jsonl=line, failures__json=b'{"cases": 1, "format": 1}')


def test_what_was_written_is_read_from_the_zip_and_from_the_folder(written, tmp_path):
    with zipfile.ZipFile(written) as archive:
        archive.extractall(tmp_path / "unpacked")
    for place in (written, tmp_path / "unpacked"):
        found = failure_set.read(place)
        assert [one.case for one in found.cases] == ["a1", "b2"]
        first, gone = found.cases[0].photos
        assert found.drawing(found.cases[0]) == DRAWING
        assert found.photo(first) == PHOTO
        assert (gone.file, found.photo(gone)) == (None, None)
        assert found.datasheet == "# What this is"
        expected = msgspec.structs.replace(judged(ONE), file=f"photos/{ONE}.jpg")
        assert first == expected


def test_the_same_cases_give_the_same_bytes(tmp_path):
    first, second = (
        write(tmp_path / name, case("a1"), case("b2")).read_bytes() for name in ("one", "two")
    )
    assert first == second


def test_a_photo_of_two_cases_is_in_the_zip_once(written):
    with zipfile.ZipFile(written) as archive:
        assert sorted(archive.namelist()) == sorted(
            ["cases.jsonl", "datasheet.md", "drawings/a1.png", "drawings/b2.png",
             "failures.json", f"photos/{ONE}.jpg"]
        )  # fmt: skip


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(written, tmp_path):
    before = written.read_bytes()
    with pytest.raises(ValueError, match="two cases"):
        write(written, case(), case())
    assert written.read_bytes() == before
    assert list(tmp_path.iterdir()) == [written]


@pytest.mark.parametrize(
    ("bad", "drawing", "photos"),
    [
        (case(galleries=("server-123",)), DRAWING, {}),
        (case(photos=(judged(ONE, gallery="server-123"),)), DRAWING, {}),
        (case("../up"), DRAWING, {}),
        (case(photos=(judged("x"),)), DRAWING, {}),
        (case(photos=(judged(ONE), judged(ONE))), DRAWING, {}),
        (case(month="2026-11-23"), DRAWING, {}),
        (case(), b"", {}),
        (case(), DRAWING, {ONE: bytes(failure_set.MAX_PICTURE + 1)}),
    ],
)
def test_what_would_be_refused_is_not_written(tmp_path, bad, drawing, photos):
    with pytest.raises(ValueError, match=r"."), Writer(tmp_path / "out.zip") as writer:
        writer.add(bad, drawing, photos)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"drawing": "../../etc/passwd"}, "not named as they should be"),
        ({"drawing": "drawings/other.png"}, "not named as they should be"),
        ({"case": "../a"}, "regex"),
        ({"galleries": ["../x"]}, "regex"),
        ({"galleries": ["server-1"]}, "regex"),
        ({"galleries": ["shared\n"]}, "regex"),
        ({"photos": [None]}, "Expected"),
        ({"month": 3}, "Expected"),
        ({"photos": [msgspec.to_builtins(judged(ONE)) | {"file": "/etc/passwd"}]}, "not named"),
        ({"photos": [msgspec.to_builtins(judged(ONE)) | {"good": -1}]}, ">= 0"),
        ({"photos": [msgspec.to_builtins(judged(ONE)) | {"verdict": "<b>"}]}, "Invalid enum"),
        ({"photos": [msgspec.to_builtins(judged(f"{n:064}")) for n in range(21)]}, "length <= 20"),
    ],
)
def test_a_case_that_says_what_it_must_not_is_refused_with_a_sentence(written, changes, said):
    with pytest.raises(FailureSetError, match=said):
        failure_set.read(with_case(written, **changes))


def test_a_zip_that_is_none_or_lacks_something_is_refused(written, tmp_path):
    whole = written.read_bytes()
    for damaged in (b"", b"no zip", whole[: len(whole) // 2]):
        (tmp_path / "bad.zip").write_bytes(damaged)
        with pytest.raises(FailureSetError, match="no zip"):
            failure_set.read(tmp_path / "bad.zip")
    with pytest.raises(FailureSetError, match=r"no datasheet\.md"):
        failure_set.read(rewritten(written, datasheet__md=None))


def test_a_set_that_was_cut_off_or_is_of_another_format_is_refused(written):
    with pytest.raises(FailureSetError, match="holds 2 cases where 3"):
        failure_set.read(rewritten(written, failures__json=b'{"cases": 3, "format": 1}'))
    with pytest.raises(FailureSetError, match="format 2"):
        failure_set.read(rewritten(written, failures__json=b'{"format": 2}'))
    with pytest.raises(FailureSetError, match="format"):
        failure_set.read(rewritten(written, failures__json=b'{"cases": 2}'))
    for nested in (b"[" * 100_000, b"\xff\xfe"):
        with pytest.raises(FailureSetError):
            failure_set.read(rewritten(written, failures__json=nested))


def test_any_flipped_byte_gives_the_same_or_a_sentence(written):
    whole = written.read_bytes()
    chance = random.Random(1)
    for _ in range(300):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        written.write_bytes(bytes(data))
        with contextlib.suppress(FailureSetError):  # and nothing else
            found = failure_set.read(written)
            for one in found.cases:
                assert found.drawing(one) == DRAWING
                assert {found.photo(photo) for photo in one.photos} <= {PHOTO, None}


def test_a_bomb_is_not_unpacked(written, monkeypatch):
    monkeypatch.setattr(failure_set, "MAX_PICTURE", 1000)
    bomb = rewritten(written, **{"drawings/a1__png": bytes(50_000_000)})
    assert bomb.stat().st_size < 100_000
    found = failure_set.read(bomb)
    with pytest.raises(FailureSetError, match="larger"):
        found.drawing(found.cases[0])
    with pytest.raises(FailureSetError, match="larger"):
        failure_set.read(rewritten(written, failures__json=bytes(2_000_000)))


def test_other_ways_of_packing_and_passwords_are_refused(written):
    with zipfile.ZipFile(written) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    written.write_bytes(packed.getvalue())
    with pytest.raises(FailureSetError, match="compressed"):
        failure_set.read(written)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(written, tmp_path):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(written) as archive:
        archive.extractall(folder)
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "drawings" / "a1.png").unlink()
    (folder / "drawings" / "a1.png").symlink_to(tmp_path / "secret")
    found = failure_set.read(folder)
    with pytest.raises(FailureSetError, match=r"no drawings/a1\.png"):
        found.drawing(found.cases[0])


def test_a_server_is_called_by_a_name_that_only_its_home_knows(tmp_path):
    here, there = Home(tmp_path / "here"), Home(tmp_path / "there")
    for home in (here, there):
        for name in ("server-1234567", "shared"):
            library.register(home, name, tmp_path)
    called = failure_set.pseudonym(here, "server-1234567")
    assert called == failure_set.pseudonym(here, "server-1234567")
    assert len(called) == len("own-") + 12
    assert "1234567" not in called
    assert failure_set.resolve(here, called) == "server-1234567"
    assert failure_set.resolve(there, called) is None
    assert failure_set.pseudonym(here, "shared") == "shared" == failure_set.resolve(here, "shared")
    assert failure_set.resolve(here, "server-1234567") is None
    assert failure_set.resolve(here, "nothing") is None


def test_the_key_is_the_owners_alone(tmp_path):
    failure_set.pseudonym(Home(tmp_path), "server-1")
    mode = (tmp_path / "export.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["export.key"]


def _called(root: str) -> str:
    return failure_set.pseudonym(Home(Path(root)), "server-1")


def test_processes_that_begin_together_use_one_key(tmp_path):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        for number in range(10):
            called = pool.map(_called, [str(tmp_path / str(number))] * 4, chunksize=1)
            assert len(set(called)) == 1
