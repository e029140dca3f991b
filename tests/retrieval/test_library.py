"""Which files are in a collection, what is known of each, and that no name leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retrieval import library
from retrieval.home import CollectionNameError, Home
from retrieval.library import PhotoFile


def names_in(folder: Path) -> list[str]:
    return [photo.name for photo in library.scan(folder).files]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked into here")


def described(folder: Path, sidecar: bytes, name: str = "big_cat.jpg") -> library.Sidecar:
    touch(folder, name)
    (folder / name).with_suffix(".json").write_bytes(sidecar)
    return library.describe(PhotoFile(name, folder / name))


def test_pictures_come_in_the_order_of_their_names_and_those_of_a_folder_before_its_subfolders(
    tmp_path,
):
    touch(tmp_path, "b.jpg", "a.png", "sub/z.webp", "sub/deeper/1.gif", "sub/deeper/0.BMP", "C.TIF")
    assert names_in(tmp_path) == [
        "C.TIF", "a.png", "b.jpg", "sub/z.webp", "sub/deeper/0.BMP", "sub/deeper/1.gif",
    ]  # fmt: skip


def test_every_suffix_of_a_picture_counts_in_any_case_and_no_other(tmp_path):
    touch(tmp_path, *(f"x{suffix.upper()}" for suffix in library.SUFFIXES))
    touch(tmp_path, "x.svg", "x.txt", "x.json", "x.jpg.part", "jpg", ".jpg")
    assert len(names_in(tmp_path)) == len(library.SUFFIXES) == 8


def test_hidden_files_and_everything_below_hidden_folders_are_passed_over(tmp_path):
    touch(tmp_path, "seen.jpg", ".hidden.jpg", ".folder/in.jpg", "sub/.hidden/deep/in.jpg")
    assert names_in(tmp_path) == ["seen.jpg"]


def test_links_to_files_folders_and_in_a_circle_are_passed_over(tmp_path):
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    touch(outside, "secret.jpg")
    touch(inside, "own.jpg", "sub/own.jpg")
    (inside / "file.jpg").symlink_to(outside / "secret.jpg")
    (inside / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    (inside / "folder").symlink_to(outside)
    (inside / "sub" / "circle").symlink_to(inside)
    (inside / "self.jpg").symlink_to(inside / "self.jpg")
    assert names_in(inside) == ["own.jpg", "sub/own.jpg"]


def test_what_is_no_regular_file_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    touch(tmp_path, "folder.jpg/in.jpg")
    assert names_in(tmp_path) == ["folder.jpg/in.jpg"]


@pytest.mark.parametrize(
    ("stem", "title"),
    [
        ("n02691156_great-white_shark", "Great white shark"),
        ("n02691156_10151", "N02691156 10151"),  # not a word after it: a name like any other
        ("IMG_2041", "IMG 2041"),
        ("  odd   spaces\t", "Odd spaces"),
        ("кошка_на_крыше", "Кошка на крыше"),
        ("猫の写真", "猫の写真"),
        ("قطة_بيضاء", "قطة بيضاء"),
        ("élan", "Élan"),
        ("თეთრი_კატა", "თეთრი კატა"),  # Georgian has no capital for the start of a sentence
        ("🐈_cat", "🐈 cat"),
        ("a\u202egpj.exe", "A gpj.exe"),  # turns the writing's direction
        ("new\nline", "New line"),
        ("___", "Untitled"),
        ("\u200b", "Untitled"),
    ],
)
def test_a_title_is_made_of_a_file_name(stem, title):
    assert library.title_from_name(stem) == title


@pytest.mark.parametrize(
    "name", ["猫.jpg", "кот.jpg", "قط.png", "a'b\"c.jpg", "100%.gif", "[/x].jpg"]
)
def test_names_in_many_scripts_are_found_and_described(tmp_path, name):
    touch(tmp_path, f"folder é/{name}")
    (photo,) = library.scan(tmp_path).files
    assert photo.name == f"folder é/{name}"
    assert library.describe(photo).title


def test_a_sidecar_gives_title_credit_and_licence(tmp_path):
    text = '{"title": " Grey\\ncat ", "credit": "Ann\\u202e", "licence": "CC0", "more": [1]}'
    assert described(tmp_path, text.encode()) == library.Sidecar("Grey cat", "Ann", "CC0")


@pytest.mark.parametrize(
    "sidecar",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"title": 7}',
        b'{"title": "ok", "credit": ["Ann"]}',
        b'{"title": "caf\xe9"}',  # Latin-1
        b'{"title": "\xff\xfe"}',
        b'{"more": ' + b"[" * 60_000,
        b'{"title": "' + b"x" * 70_000 + b'"}',  # larger than any honest description
    ],
    ids=["empty", "cut", "list", "null", "number", "mixed", "latin1", "bytes", "deep", "large"],
)
def test_a_broken_sidecar_does_not_lose_the_photo(tmp_path, sidecar):
    assert described(tmp_path, sidecar) == library.Sidecar("Big cat", "", "")


def test_a_sidecar_that_is_no_file_is_not_waited_for(tmp_path):
    touch(tmp_path, "a_cat.jpg", "b_cat.jpg", "c_cat.jpg")
    os.mkfifo(tmp_path / "a_cat.json")
    (tmp_path / "b_cat.json").mkdir()
    (tmp_path / "c_cat.json").symlink_to("/dev/zero")
    titles = [library.describe(photo).title for photo in library.scan(tmp_path).files]
    assert titles == ["A cat", "B cat", "C cat"]


def test_a_long_title_is_cut(tmp_path):
    sidecar = b'{"title": "' + b"long " * 200 + b'"}'
    assert len(described(tmp_path, sidecar).title) == library.MAX_TITLE


def test_a_registered_collection_is_found_again_with_its_folder_made_absolute(
    tmp_path, monkeypatch
):
    home = Home(tmp_path / "home")
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    made = library.register(home, "cats", Path("photos"))
    assert library.find(home, "cats") == made
    assert made.source == str(tmp_path / "photos")


def test_registering_again_moves_a_collection_to_another_folder(tmp_path):
    home = Home(tmp_path / "home")
    library.register(home, "cats", tmp_path / "a", by="demo")
    library.register(home, "cats", tmp_path / "b")
    assert library.find(home, "cats") == library.Collection("cats", str(tmp_path / "b"), "host")
    assert library.names(home) == ["cats"]


def test_names_are_sorted_and_none_where_nothing_was_registered(tmp_path):
    home = Home(tmp_path / "home")
    assert library.names(home) == []
    for name in ("dogs", "cats", "a1"):
        library.register(home, name, tmp_path)
    assert library.names(home) == ["a1", "cats", "dogs"]


@pytest.mark.parametrize("record", [None, b"", b"{", b'{"name": "cats"}', b'{"name": "\xff"}'])
def test_a_collection_without_a_readable_record_is_unknown_and_says_how_to_make_it(
    tmp_path, record
):
    home = Home(tmp_path / "home")
    if record is not None:
        library.register(home, "cats", tmp_path)
        (home.collection("cats") / "collection.json").write_bytes(record)
    with pytest.raises(library.UnknownCollectionError, match=r"index build .* --collection cats"):
        library.find(home, "cats")


@pytest.mark.parametrize(
    "name", ["", "..", "../up", "a/b", "/etc", "a\\b", "A", "ä", ".a", "-a", "a b", "a\n", "x" * 65]
)
def test_a_name_that_could_lead_out_of_the_home_is_refused(tmp_path, name):
    home = Home(tmp_path / "home")
    for attempt in (
        lambda: library.register(home, name, tmp_path),
        lambda: library.find(home, name),
        lambda: home.collection(name),
    ):
        with pytest.raises(CollectionNameError):
            attempt()
    assert not home.root.exists()


def test_a_socket_path_too_long_for_the_system_is_replaced_by_a_short_one_of_its_own(tmp_path):
    near, far = Home(tmp_path), Home(tmp_path / ("x" * 60) / ("y" * 60))
    other = Home(tmp_path / ("x" * 60) / ("z" * 60))
    assert len(os.fsencode(far.socket)) <= 100
    assert far.socket != other.socket
    assert far.socket == Home(far.root).socket
    assert Home(Path("/srv/pencil")).socket == Path("/srv/pencil/worker.sock")
    assert near.socket.name == "worker.sock"


def test_what_is_passed_over_is_counted(tmp_path):
    touch(
        tmp_path,
        "a.jpg",
        "a.json",
        "photos.csv",
        "notes.txt",
        ".hidden.jpg",
        ".git/x.jpg",
        "b/c.png",
    )
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    found = library.scan(tmp_path)
    assert [photo.name for photo in found.files] == ["a.jpg", "b/c.png"]
    assert found.passed_over == {
        "hidden": 2, "links": 2, "descriptions": 2, "other files": 1, "not files": 1,
    }  # fmt: skip


def test_a_table_describes_photos_and_a_file_beside_one_counts_more(tmp_path):
    touch(tmp_path, "a.jpg", "sub/b.jpg", "c.jpg")
    table = 'file,title,credit,extra\na.jpg,"Cat, grey",Ann,1\nsub/b.jpg,Dog,Ben,2\n'
    (tmp_path / "photos.csv").write_text(table, encoding="utf-8-sig")
    (tmp_path / "a.json").write_text('{"credit": "Cleo"}')
    read = library.read_table(tmp_path)
    about = {file.name: library.describe(file, read) for file in library.scan(tmp_path).files}
    assert about == {
        "a.jpg": library.Sidecar("Cat, grey", "Cleo"),
        "sub/b.jpg": library.Sidecar("Dog", "Ben"),
        "c.jpg": library.Sidecar("C"),
    }


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"name,title\na,b\n", "column called file"),
        (b"file,title\n\xff,b\n", "UTF-8"),
        (b"", "column"),
    ],
)
def test_a_table_that_cannot_be_read_says_what_to_mend(tmp_path, table, words):
    (tmp_path / "photos.csv").write_bytes(table)
    with pytest.raises(library.DescriptionError, match=words):
        library.read_table(tmp_path)
