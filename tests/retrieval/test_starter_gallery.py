"""The starter gallery, built from the real package where apt is there.

MAGIC_PENCIL_TEST_GALLERY may name a cache folder that a gallery was fetched into before.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image, ImageDraw

from retrieval.starter_gallery import GalleryUnavailableError, debian, fetch, gallery, photographs
from tests import drawings

SIDECAR = {"title", "credit", "licence", "source"}


@pytest.fixture
def unpacked(tmp_path):
    """A tree like the unpacked package's, with three of its photographs."""
    stamps = tmp_path / "unpacked/usr/share/tuxpaint/stamps"
    for path, title in [
        ("food/fruit/apple_red.png", "A red apple.\nde.utf8=Ein roter Apfel.\n"),
        ("animals/fish/shrimp.png", "A shrimp.\n"),
        ("space/moon/moon_full.png", ""),
    ]:
        (stamps / path).parent.mkdir(parents=True, exist_ok=True)
        stamp = Image.new("RGBA", (46, 40), (0, 0, 0, 0))
        ImageDraw.Draw(stamp).ellipse((20, 10, 45, 39), fill=(200, 0, 0, 255))
        stamp.save(stamps / path)
        (stamps / path).with_suffix(".txt").write_text(title, "utf-8")
    about = tmp_path / "unpacked/usr/share/doc/tuxpaint-stamps-default/copyright"
    about.parent.mkdir(parents=True)
    about.write_text("Files: *\nLicense: GPL-2\n\nLicense: GPL-2\n All of it.\n")
    return tmp_path / "unpacked"


@pytest.fixture
def fake_package(monkeypatch, unpacked):
    """Put the small tree in the place of download and unpacking."""
    monkeypatch.setattr(gallery, "download", lambda folder, progress: folder / "stamps.deb")
    monkeypatch.setattr(
        gallery, "unpack", lambda package, folder: shutil.copytree(unpacked, folder)
    )


def test_list_holds_sorted_pngs_and_nothing_from_folders_of_drawings():
    listed = photographs()
    assert len(listed) == 333
    assert listed == sorted(set(listed))
    assert all(path.endswith(".png") and "_mirror" not in path for path in listed)
    folders = {folder for path in listed for folder in path.split("/")}
    assert not folders & {"cartoon", "symbols", "flags", "roadsigns", "money", "easter", "hats"}


def test_credits_are_only_of_listed_photographs():
    assert set(gallery._credits()) <= set(photographs())


def test_every_photograph_is_there_with_a_title_on_white(starter_cache):
    folder = fetch(starter_cache, progress=print)
    found = {str(path.relative_to(folder).with_suffix(".png")) for path in folder.rglob("*.jpg")}
    assert found == set(photographs())
    assert "GPL-2" in (folder / "copyright").read_text()
    for path in folder.rglob("*.jpg"):
        sidecar = json.loads(path.with_suffix(".json").read_text("utf-8"))
        assert set(sidecar) == SIDECAR
        assert all(sidecar.values()), path
        assert "=" not in sidecar["title"]
        with Image.open(path) as photo:
            assert (photo.format, photo.mode) == ("JPEG", "RGB")
            assert 318 <= max(photo.size) <= 640
            right, bottom = photo.width - 1, photo.height - 1
            for corner in [(0, 0), (right, 0), (0, bottom), (right, bottom)]:
                assert min(photo.getpixel(corner)) >= 250, path


def test_titles_and_credits_are_upstreams(starter_cache):
    folder = fetch(starter_cache, progress=print)
    heron = json.loads((folder / "animals/birds/heron_greatblue.json").read_text("utf-8"))
    assert heron["title"] == "A great blue heron"
    assert heron["credit"] == "Erinn Lynch, Tux Paint stamps"
    assert heron["licence"] == "CC-BY-SA-2.5"
    apple = json.loads((folder / "food/fruit/apple_red.json").read_text("utf-8"))
    assert (apple["credit"], apple["licence"]) == ("Tux Paint stamps", "GPL-2")


def test_gallery_has_something_for_every_drawing(starter_cache):
    folder = fetch(starter_cache, progress=print)
    titles = [json.loads(path.read_text("utf-8"))["title"] for path in folder.rglob("*.json")]
    for name in drawings.names():
        drawing = drawings.load(name)
        assert any(map(drawing.matches, titles)), name


def test_second_call_is_instant_and_silent(starter_cache):
    fetch(starter_cache, progress=print)
    said = []
    started = time.perf_counter()
    fetch(starter_cache, progress=said.append)
    assert time.perf_counter() - started < 0.1
    assert said == []


@pytest.mark.usefixtures("fake_package")
def test_fetch_keeps_the_gallery_and_nothing_else(tmp_path):
    said = []
    folder = fetch(tmp_path / "cache", progress=said.append)
    assert list((tmp_path / "cache").iterdir()) == [folder]
    assert sum(path.suffix == ".jpg" for path in folder.rglob("*")) == 3
    assert said[-1] == "Prepared 3 photos"
    apple = json.loads((folder / "food/fruit/apple_red.json").read_text("utf-8"))
    assert apple["title"] == "A red apple"
    shrimp = json.loads((folder / "animals/fish/shrimp.json").read_text("utf-8"))
    assert (shrimp["credit"], shrimp["licence"]) == ("NOAA, Tux Paint stamps", "public domain")


@pytest.mark.usefixtures("fake_package")
def test_interrupted_build_leaves_nothing(tmp_path):
    def interrupt(message):
        if message.startswith("Preparing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path / "cache", progress=interrupt)
    assert list((tmp_path / "cache").iterdir()) == []


def test_killed_build_does_not_count_and_is_cleared_up_later(tmp_path, monkeypatch, unpacked):
    script = f"""
import os, shutil, signal
from pathlib import Path
from retrieval.starter_gallery import gallery
gallery.download = lambda folder, progress: folder / "stamps.deb"
gallery.unpack = lambda package, folder: shutil.copytree({str(unpacked)!r}, folder)
def kill(message):
    if message.startswith("Prepared"):
        os.kill(os.getpid(), signal.SIGKILL)
gallery.fetch(Path({str(tmp_path / "cache")!r}), progress=kill)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "cache").iterdir()
    assert left.name.startswith(".")
    hours_ago = time.time() - 7200
    os.utime(left, (hours_ago, hours_ago))
    monkeypatch.setattr(gallery, "download", lambda folder, progress: folder / "stamps.deb")
    monkeypatch.setattr(
        gallery, "unpack", lambda package, folder: shutil.copytree(unpacked, folder)
    )
    folder = fetch(tmp_path / "cache", progress=print)
    assert list((tmp_path / "cache").iterdir()) == [folder]


@pytest.mark.usefixtures("fake_package")
def test_two_at_once_end_with_one_gallery(tmp_path):
    cache = tmp_path / "cache"

    def overtake(message):
        if message == "Prepared 3 photos" and not (cache / gallery.FOLDER).exists():
            fetch(cache, progress=lambda _: None)

    folder = fetch(cache, progress=overtake)
    assert list(cache.iterdir()) == [folder]


def test_without_apt_the_error_says_what_works_instead(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        GalleryUnavailableError, match="`apt-get` is not on this computer"
    ) as caught:
        fetch(tmp_path / "cache", progress=print)
    assert "make demo PHOTOS=folder" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.fixture
def broken_apt(tmp_path, monkeypatch):
    """Put an apt-get on PATH that only complains, and notes what it was asked."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "apt-get").write_text(
        '#!/bin/sh\necho "$@" >> "$0.asked"\n'
        'echo "W: a warning" >&2\necho "E: Unable to locate package" >&2\n'
        'test "$2" = update\n'
    )
    (tools / "dpkg-deb").write_text("#!/bin/sh\n")
    for tool in ("apt-get", "dpkg-deb"):
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return tools / "apt-get.asked"


def test_people_are_told_to_update_the_package_lists(tmp_path, monkeypatch, broken_apt):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(GalleryUnavailableError, match="Unable to locate package") as caught:
        fetch(tmp_path / "cache", progress=print)
    assert "sudo apt-get update" in str(caught.value)
    assert "a warning" not in str(caught.value)
    assert len(broken_apt.read_text().splitlines()) == 1


def test_root_updates_once_and_tries_again(tmp_path, monkeypatch, broken_apt):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(GalleryUnavailableError):
        fetch(tmp_path / "cache", progress=print)
    asked = [line.split()[1] for line in broken_apt.read_text().splitlines()]
    assert asked == ["download", "update", "download"]


def test_apt_that_hangs_is_stopped(tmp_path, monkeypatch, broken_apt):
    broken_apt.with_suffix("").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(debian, "DOWNLOAD_SECONDS", 0.1)
    monkeypatch.setattr(debian, "_REPORT_SECONDS", 0.1)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    started = time.perf_counter()
    with pytest.raises(GalleryUnavailableError, match="took too long"):
        fetch(tmp_path / "cache", progress=print)
    assert time.perf_counter() - started < 5


def test_damaged_package_is_an_error_of_its_own(tmp_path):
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg here")
    package = tmp_path / "stamps.deb"
    package.write_bytes(b"not a package")
    with pytest.raises(GalleryUnavailableError, match="dpkg-deb"):
        debian.unpack(package, tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("size", "longest"), [((46, 20), 320), ((500, 300), 550), ((1226, 200), 640)]
)
def test_photo_is_on_white_with_a_margin(size, longest):
    stamp = Image.new("RGBA", (size[0] + 60, size[1] + 10), (0, 255, 0, 0))
    stamp.paste((0, 0, 0, 255), (50, 5, 50 + size[0], 5 + size[1]))
    photo = gallery.on_white(stamp)
    assert max(photo.size) == pytest.approx(longest, abs=2)
    assert max(photo.size) <= gallery.LONGEST_SIDE
    left, top, right, bottom = photo.convert("L").point(lambda v: 255 - v).getbbox()
    margin = longest * 0.04
    assert min(left, top, photo.width - right, photo.height - bottom) >= margin
    colours = {colour for _, colour in photo.getcolors(photo.width * photo.height)}
    assert all(max(colour) - min(colour) <= 1 for colour in colours)  # no green from under alpha


def test_half_transparent_is_mixed_with_white():
    photo = gallery.on_white(Image.new("RGBA", (100, 100), (0, 0, 0, 128)))
    middle = photo.getpixel((photo.width // 2, photo.height // 2))
    assert middle == pytest.approx((127, 127, 127), abs=2)


@pytest.mark.parametrize("mode", ["P", "L", "LA", "I;16"])
def test_stamps_of_any_mode_become_rgb(mode):
    assert gallery.on_white(Image.new(mode, (10, 10))).mode == "RGB"


def test_drawings_are_small_simple_and_inside_the_square():
    assert len(drawings.names()) >= 16
    for name in drawings.names():
        drawing = drawings.load(name)
        assert drawing.name == name
        assert drawing.expect
        points = [point for stroke in drawing.strokes for point in stroke]
        assert all(0 <= value <= 1 for point in points for value in point)
        assert len(points) < 400


def test_drawings_render_as_asked():
    image = drawings.render("apple", size=120, width=4, colour="white", background=(0, 0, 0, 0))
    assert (image.size, image.mode) == ((120, 120), "RGBA")
    assert image.getpixel((0, 0)) == (0, 0, 0, 0)
    assert image.getextrema()[3] == (0, 255)
    assert drawings.render_png("apple").startswith(b"\x89PNG")
