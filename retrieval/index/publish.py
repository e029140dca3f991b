"""Which generation serves: the one step in which an index changes for its readers."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from retrieval import steps
from retrieval.disk import flush, write_whole
from retrieval.index.generation import (
    MANIFEST_FILE,
    Generation,
    GenerationError,
    Manifest,
    read_manifest_file,
)

KEPT = 3
LOCK = "build.lock"
_CURRENT = "CURRENT"
_CANCEL = "cancel-build"
_ERASED = "photos-erased"
_ERASED_BEFORE = "photos-erased-before-this-build"
_UNFINISHED = ".building-"
_PATIENCE = 0.05  # seconds
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


class BuildError(RuntimeError):
    """A build could not be done; the old generation serves on. The message is for a person."""


class BuildRunningError(BuildError):
    """This collection is being built already, here or in another process."""


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
    flush(final.parent)
    steps.reach("generation named")
    return final


def publish(generation: Path) -> None:
    """Make a finished generation the one that serves, and let go of the oldest ones."""
    collection = generation.parent.parent
    write_whole(collection / _CURRENT, f"{generation.name}\n".encode())
    steps.reach("generation published")
    tidy(collection)


def withdraw(collection: Path) -> None:
    """Let no generation serve: the collection has no photo any more."""
    (collection / _CURRENT).unlink(missing_ok=True)
    flush(collection)
    steps.reach("generation withdrawn")


def finished(collection: Path, besides: str = "") -> list[str]:
    """Return the ids of the generations that are whole, the newest first."""
    try:
        names = [path.name for path in generations_folder(collection).iterdir()]
    except FileNotFoundError:
        return []
    return sorted((n for n in names if _ID.fullmatch(n) and n != besides), reverse=True)


def roll_back(collection: Path, generation: str) -> Generation:
    """Make a kept generation serve again, after checking every byte of it.

    Raises:
        BuildRunningError: a build is about to publish another one.
        GenerationError: it is not kept, or damaged.
    """
    with build_lock(collection):
        if generation not in finished(collection):
            raise GenerationError(f"There is no generation {generation!r} any more.")
        found = Generation.open(generations_folder(collection) / generation)
        write_whole(collection / _CURRENT, f"{generation}\n".encode())
    return found


@contextmanager
def build_lock(collection: Path) -> Iterator[None]:
    """Hold what only one process at a time may: the right to publish. Raises BuildRunningError."""
    try:
        # Not at once: whoever asks whether a build is running holds it for a moment.
        with FileLock(collection / LOCK, timeout=_PATIENCE, poll_interval=_PATIENCE / 10):
            (collection / _CANCEL).unlink(missing_ok=True)
            yield
    except Timeout:
        raise BuildRunningError(f"{collection.name} is being built already.") from None


def building(collection: Path) -> bool:
    """Say whether a build of a collection is running, here or in another process."""
    lock = FileLock(collection / LOCK, blocking=False)
    if not (collection / LOCK).exists():
        return False
    try:
        with lock:
            return False
    except Timeout:
        return True


def cancel(collection: Path) -> bool:
    """Ask the build that is running to stop; False if there is none."""
    if not building(collection):
        return False
    (collection / _CANCEL).touch()
    return True


def cancelled(collection: Path) -> bool:
    """Say whether somebody asked the running build to stop."""
    return (collection / _CANCEL).exists()


def tidy(collection: Path, keep: int = KEPT) -> None:
    """Remove what killed builds left and all but `keep` generations; for who holds the lock."""
    folder = generations_folder(collection)
    try:
        serving = current_id(collection) or ""
    except GenerationError:
        serving = ""
    for old in finished(collection, besides=serving)[keep - 1 if serving else keep :]:
        # Out of sight first: a generation that is half removed must not seem to be one.
        (folder / old).rename(folder / (_UNFINISHED + old))
        steps.reach("old generation set aside")
    for leftover in folder.glob(_UNFINISHED + "*"):
        shutil.rmtree(leftover, ignore_errors=True)
        steps.reach("leftover removed")


def mark_erased(collection: Path) -> None:
    """Remember that photos are being erased for good: older generations still name them."""
    (collection / _ERASED).touch()
    flush(collection)


def note_erased(collection: Path) -> None:
    """Take note of what is erased by now, before looking at the photos; for who holds the lock.

    What is erased while a build is on its way may be in what it publishes: the next lets go of it.
    """
    with suppress(FileNotFoundError):
        (collection / _ERASED).replace(collection / _ERASED_BEFORE)


def let_go_of_erased(collection: Path) -> None:
    """Keep no older generation if :func:`note_erased` found any; for who holds the lock."""
    if (collection / _ERASED_BEFORE).exists():
        tidy(collection, keep=1 if current_id(collection) else 0)
        (collection / _ERASED_BEFORE).unlink()


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
