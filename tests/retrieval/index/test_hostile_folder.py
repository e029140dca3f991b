"""Five hundred files that nobody would want, through the real command: each is told of."""

from __future__ import annotations

import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import index
from retrieval.home import Home
from retrieval.library import SUFFIXES
from tests.conftest import ROOT, paint

MOST_BYTES = 1.5e9
EACH = 22  # of each kind
NAMES = (
    *("кошка", "猫の写真", "قطة", "חתול", "γάτα", "बिल्ली", "แมว", "고양이", "kočka", "🐈", "a b"),
    *("-rf", "*", "%s", "CON", "cat.jpg", "'quoted'", '"double"', "$(touch x)", "line\nbreak"),
    *("tab\t", "e\u0301", "\u202egpj.exe", "x" * 240),
)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png(width: int, height: int, body: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """Build a PNG file whose header and body need not agree."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def turned(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number % 8 + 1
    return encoded(paint(number), "JPEG", exif=exif)


def moving(number: int, form: str) -> bytes:
    more = [paint(number + 1000 + n) for n in range(3)]
    return encoded(paint(number), form, save_all=True, append_images=more)


def garbled(number: int) -> bytes:
    data = bytearray(encoded(paint(number), "JPEG"))
    chance = random.Random(number)
    for _ in range(60):
        data[chance.randrange(2, len(data))] = chance.randrange(256)
    return bytes(data)


KINDS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "good": (".jpg", lambda n: encoded(paint(n), "JPEG")),
    "cut-jpeg": (".jpg", lambda n: encoded(paint(100 + n), "JPEG")[: 200 + 40 * n]),
    "cut-png": (".png", lambda n: encoded(paint(200 + n), "PNG")[: 60 + 100 * n]),
    "garbled": (".jpg", garbled),
    "claims": (".png", lambda n: png(50_000 + n, 50_000, b"\0" * 100)),
    "bomb": (".png", lambda n: png(30_000 + n, 30_000, b"\0" * 50_000_000, 1, 0)),
    "long": (".png", lambda n: encoded(Image.new("RGB", (20_000 + n, 1), (n, 90, 30)), "PNG")),
    "empty": (".jpg", lambda n: b""),
    "text": (".png", lambda n: b"not a picture " * (n + 1)),
    "html": (".jpg", lambda n: b"<html><img src=x onerror=alert(1)></html>" * (n + 1)),
    "wrong-name": (".jpg", lambda n: encoded(paint(300 + n), "PNG")),
    "cmyk": (".jpg", lambda n: encoded(paint(400 + n).convert("CMYK"), "JPEG")),
    "sixteen": (
        ".png",
        lambda n: encoded(
            Image.fromarray(np.random.default_rng(n).integers(0, 65535, (60, 80), np.uint16)), "PNG"
        ),
    ),
    "gif": (".gif", lambda n: moving(n, "GIF")),
    "webp": (".webp", lambda n: moving(n, "WEBP")),
    "apng": (".png", lambda n: moving(n, "PNG")),
    "turned": (".jpg", turned),
    "palette": (".png", lambda n: encoded(paint(500 + n).convert("P"), "PNG", transparency=0)),
    "tiny": (".png", lambda n: encoded(Image.new("RGB", (1, 1 + n), (n, n, n)), "PNG")),
    "bilevel": (".tif", lambda n: encoded(paint(600 + n).convert("1"), "TIFF")),
    "floats": (
        ".tiff",
        lambda n: encoded(
            Image.fromarray(np.random.default_rng(n).random((40, 50), np.float32)), "TIFF"
        ),
    ),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for kind, (suffix, make) in KINDS.items():
        at = folder / kind / "nested" / "deeper"
        at.mkdir(parents=True)
        for number in range(EACH):
            (at / f"{number}{suffix}").write_bytes(make(number))
    names = folder / "names"
    names.mkdir()
    for number, name in enumerate(NAMES):
        (names / f"{name}.jpg").write_bytes(encoded(paint(700 + number), "JPEG"))
    (names / os.fsdecode(b"\xff\xfe not unicode.jpg")).write_bytes(encoded(paint(750), "JPEG"))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "round").symlink_to(folder)
    (folder / "good" / "up").symlink_to("..")
    (folder / "link.jpg").symlink_to(folder / "good" / "nested" / "deeper" / "0.jpg")
    (folder / "broken.jpg").symlink_to("nowhere")
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "a-folder.jpg").mkdir()
    (folder / ".hidden.jpg").write_bytes(encoded(paint(760), "JPEG"))
    (folder / ".git").mkdir()
    (folder / ".git" / "in-it.jpg").write_bytes(encoded(paint(761), "JPEG"))
    (folder / "good" / "nested" / "deeper" / "0.json").write_text("{" * 100_000)
    (folder / "photos.csv").write_text(
        'file,title\npalette/nested/deeper/0.png,"A table\'s title"\n'
    )
    (folder / "notes.txt").write_text("what is this?")
    return folder


def _peak(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process to end; return the most bytes that it ever had in memory.

    Not from its rusage, where a child begins with the peak of the process that started it.
    """
    peak = 0
    while process.poll() is None:
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                peak = int(found[1]) * 1024
        time.sleep(0.05)
    assert peak > 0
    return peak


def test_a_folder_of_hostile_files_is_indexed_or_told_of_file_by_file(
    hostile: Path, tmp_path: Path
) -> None:
    files = sum(path.is_file() for path in hostile.rglob("*.*") if not path.is_symlink())
    assert files > 480
    with (tmp_path / "told.json").open("wb") as answer:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bot.cli", "index", "build", str(hostile)),
                *("--home", str(tmp_path), "--device", "cpu", "--json"),
            ],
            cwd=ROOT,
            stdout=answer,
            stderr=subprocess.DEVNULL,
        )
        peak = _peak(process)
    told = json.loads((tmp_path / "told.json").read_text())
    assert process.returncode == 0, told
    assert peak < MOST_BYTES
    print(f"{peak / 1e9:.2f} GB at most")

    reasons = {item["photo"]: item["reason"] for item in told["unreadable"]}
    by_kind = {kind: sum(name.startswith(f"{kind}/") for name in reasons) for kind in KINDS}
    for kind in ("claims", "bomb", "empty", "text", "html", "gif", "webp", "apng"):
        assert by_kind[kind] in (EACH, 1), kind  # the same bytes twice are one file
    for kind in ("good", "wrong-name", "cmyk", "sixteen", "turned", "palette", "bilevel", "floats"):
        assert by_kind[kind] == 0, kind
    assert all(reason.endswith((".", "UTF-8")) or reason for reason in reasons.values())
    assert told["passed_over"] == {
        "hidden": 2,
        "links": 5,
        "descriptions": 2,
        "other files": 1,
        "not files": 1,
    }
    # Every file is in the index, a duplicate of one that is, or told of with a reason.
    shown = [path for path in hostile.rglob("*") if "/." not in path.as_posix()]
    pictures = sum(
        path.is_file() and not path.is_symlink() and path.suffix in SUFFIXES for path in shown
    )
    assert told["photos"] + told["duplicates"] + len(reasons) == pictures
    generation = index.open_current(Home(tmp_path).collection("shared"))
    assert generation is not None
    found = {photo.name: photo.title for photo in generation.photos}
    assert len(found) == told["photos"]
    assert {f"names/{name}.jpg" for name in NAMES} <= found.keys() | reasons.keys()
    assert found["palette/nested/deeper/0.png"] == "A table's title"
