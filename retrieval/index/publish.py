"""Which generation serves: the one step in which an index changes for its readers."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from pathlib import Path

from retrieval.index.generation import (
    MANIFEST_FILE,
    Generation,
    GenerationError,
    Manifest,
    flush_to_disk,
    read_manifest_file,
)

KEPT = 3
_CURRENT = "CURRENT"
_UNFINISHED = ".building-"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def generations_folder(collection: Path) -> Path:
    """Return where a collection's generations lie."""
    return collection / "generations"


def new_generation_id() -> str:
    """Return an id that sorts by time: ``20261122T081500Z-3fa2c1``."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(3)


def begin(collection: Path, generation: str) -> Path:
    """Return a new empty folder, beside the published generations, to build in."""
    folder = generations_folder(collection) / (_UNFINISHED + generation)
    folder.mkdir(parents=True)
    return folder


def finish(building: Path) -> Path:
    """Give a complete folder its own name; return where it is now. Nobody reads it yet."""
    final = building.with_name(building.name.removeprefix(_UNFINISHED))
    building.rename(final)
    flush_to_disk(final.parent)
    return final


def publish(generation: Path) -> None:
    """Make a finished generation the one that serves, and let go of the oldest ones."""
    collection = generation.parent.parent
    pointer = collection / (_CURRENT + ".part")
    pointer.write_text(generation.name + "\n")
    flush_to_disk(pointer)
    pointer.replace(collection / _CURRENT)
    flush_to_disk(collection)
    finished = sorted(
        path
        for path in generations_folder(collection).iterdir()
        if not path.name.startswith(".") and path.name != generation.name
    )
    for old in finished[: -(KEPT - 1)]:
        shutil.rmtree(old, ignore_errors=True)


def discard_unfinished(collection: Path) -> None:
    """Remove what a build that was killed left behind. Only for who holds the build lock."""
    for leftover in generations_folder(collection).glob(_UNFINISHED + "*"):
        shutil.rmtree(leftover, ignore_errors=True)


def current_id(collection: Path) -> str | None:
    """Return the id of the generation that serves, or None if nothing was published yet."""
    try:
        name = (collection / _CURRENT).read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
    if not _ID.fullmatch(name):
        raise GenerationError(f"{_CURRENT} of {collection.name} names no generation")
    return name


def read_manifest(collection: Path) -> Manifest | None:
    """Return the manifest of the generation that serves, or None if there is none."""
    name = current_id(collection)
    if name is None:
        return None
    return read_manifest_file(generations_folder(collection) / name / MANIFEST_FILE)


def open_current(collection: Path) -> Generation | None:
    """Open the generation that serves, or return None if nothing was published yet."""
    name = current_id(collection)
    return None if name is None else Generation.open(generations_folder(collection) / name)
