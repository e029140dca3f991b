"""From stamps to a folder of photos, each with its title and credit beside it. No network here.

Which stamps are photographs was decided by eye, one by one, and is kept in ``photographs.txt``;
who made them, where upstream's changelog names somebody, is kept in ``credits.toml``.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from PIL import Image

from retrieval.starter_gallery.debian import (
    PACKAGE,
    GalleryUnavailableError,
    download,
    unpack,
)

FOLDER = "starter-gallery"
SOURCE = f"Debian package {PACKAGE}"
LONGEST_SIDE = 640
# Many stamps are tiny: enlarged a little they can be enjoyed, and JPEG keeps more of them.
SHORTEST_LONG_SIDE = 320
MARGIN = 0.05  # of the longer side, on each side
QUALITY = 90

_STALE_SECONDS = 3600
_REPORT_EVERY = 50


def photographs() -> list[str]:
    """Return the stamps that are photographs, as sorted paths inside the package's folder."""
    return _data("photographs.txt").split()


def fetch(cache: Path, *, progress: Callable[[str], None]) -> Path:
    """Return the starter gallery's folder below ``cache``; fetch and build it the first time.

    Each photo is ``<path>.jpg`` on white, with a ``<path>.json`` beside it that holds ``title``,
    ``credit``, ``licence`` and ``source``. The folder appears whole or not at all. Downloads
    161 MB and needs about 500 MB while it works, 7 MB afterwards.

    Raises:
        GalleryUnavailableError: apt is absent or failed, or the package is not as expected.
    """
    gallery = cache / FOLDER
    if gallery.is_dir():
        return gallery
    cache.mkdir(parents=True, exist_ok=True)
    _remove_stale(cache)
    with tempfile.TemporaryDirectory(
        prefix=f".{FOLDER}-", dir=cache, ignore_cleanup_errors=True
    ) as temporary:
        work = Path(temporary)
        progress(f"Downloading {PACKAGE} (161 MB)")
        package = download(work, progress)
        progress(f"Unpacking {PACKAGE}")
        unpack(package, work / "unpacked")
        build(work / "unpacked", work / "gallery", progress)
        # Somebody else may have finished first, and then theirs is as good as ours.
        with contextlib.suppress(OSError):
            (work / "gallery").rename(gallery)
    if not gallery.is_dir():
        raise GalleryUnavailableError(f"{gallery} could not be written.")
    return gallery


def build(unpacked: Path, gallery: Path, progress: Callable[[str], None]) -> None:
    """Write the photographs of the ``unpacked`` package as the folder ``gallery``.

    A stamp that this version of the package lacks is passed over.

    Raises:
        GalleryUnavailableError: the package holds none of the photographs.
    """
    stamps = unpacked / "usr/share/tuxpaint/stamps"
    copyright_file = unpacked / "usr/share/doc" / PACKAGE / "copyright"
    here = [path for path in photographs() if (stamps / path).is_file()]
    if not here or not copyright_file.is_file():
        raise GalleryUnavailableError(f"this version of {PACKAGE} holds no photographs we know.")
    gallery.mkdir()
    shutil.copyfile(copyright_file, gallery / "copyright")
    licence = _licence(copyright_file.read_text("utf-8"))
    credits_of = _credits()
    for done, path in enumerate(here):
        if done % _REPORT_EVERY == 0:
            progress(f"Preparing photos: {done} of {len(here)}")
        photo = (gallery / path).with_suffix(".jpg")
        photo.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(stamps / path) as stamp:
            on_white(stamp).save(photo, quality=QUALITY, optimize=True)
        author, own_licence = credits_of.get(path, ("", ""))
        sidecar = {
            "title": _title((stamps / path).with_suffix(".txt")),
            "credit": f"{author}, Tux Paint stamps" if author else "Tux Paint stamps",
            "licence": own_licence or licence,
            "source": SOURCE,
        }
        text = json.dumps(sidecar, ensure_ascii=False, indent=1)
        photo.with_suffix(".json").write_text(text + "\n", "utf-8")
    progress(f"Prepared {len(here)} photos")


def on_white(stamp: Image.Image) -> Image.Image:
    """Return the cut-out as an RGB photo on white with a small white margin.

    The picture's longer side is between 320 and 640 pixels, the margin included.
    """
    cutout = stamp.convert("RGBA")
    cutout = cutout.crop(cutout.getchannel("A").getbbox() or (0, 0, *cutout.size))
    flat = Image.new("RGBA", cutout.size, "white")
    flat.alpha_composite(cutout)
    longest = max(flat.size)
    margin = 1 + 2 * MARGIN
    target = min(max(longest * margin, SHORTEST_LONG_SIDE), LONGEST_SIDE) / margin
    size = [max(1, round(side * target / longest)) for side in flat.size]
    photo = flat.convert("RGB").resize((size[0], size[1]), Image.Resampling.LANCZOS)
    border = round(max(size) * MARGIN)
    framed = Image.new("RGB", (size[0] + 2 * border, size[1] + 2 * border), "white")
    framed.paste(photo, (border, border))
    return framed


def _data(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _credits() -> dict[str, tuple[str, str]]:
    """Return author and licence by path, for the photographs that upstream says them of."""
    groups = tomllib.loads(_data("credits.toml"))["credit"]
    return {
        f"{path}.png": (group["author"], group.get("licence", ""))
        for group in groups
        for path in group["photos"].split()
    }


def _licence(copyright_text: str) -> str:
    """Return the licence that a machine-readable copyright file gives for ``Files: *``."""
    found = re.search(r"^License: *(\S+)", copyright_text, re.MULTILINE)
    return found[1] if found else "see the file copyright"


def _title(description: Path) -> str:
    """Return the first line of a stamp's text, which is the English one, without a full stop."""
    lines = description.read_text("utf-8", errors="replace").splitlines()
    return lines[0].strip().removesuffix(".") if lines else ""


def _remove_stale(cache: Path) -> None:
    """Remove what killed runs left; younger folders may belong to a run that is still at work."""
    for folder in cache.glob(f".{FOLDER}-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
