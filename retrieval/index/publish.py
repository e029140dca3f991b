"""From a finished folder to what serves: the one step in which an index changes for its readers.

And who may take it: one process at a time, which others may ask to stop.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from retrieval import steps
from retrieval.disk import flush
from retrieval.index.generation import (
    MANIFEST_FILE,
    Generation,
    GenerationError,
    read_manifest_file,
)
from retrieval.index.pointers import (
    about,
    adopt,
    finished,
    generations_folder,
    point,
    pointer_of,
)
from retrieval.index.retention import UNFINISHED, set_aside, tidy

LOCK = "build.lock"
_CANCEL = "cancel-build"
_PATIENCE = 0.05  # seconds


class BuildError(RuntimeError):
    """A build could not be done; the old generation serves on. The message is for a person."""


class BuildRunningError(BuildError):
    """This collection is being built already, here or in another process."""


def new_generation_id() -> str:
    """Return an id that sorts by time: ``20261122T081500Z-3fa2c1``."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(3)


def begin(collection: Path, generation: str) -> Path:
    """Return a new empty folder, beside the published generations, to build in."""
    folder = generations_folder(collection) / (UNFINISHED + generation)
    folder.mkdir(parents=True)
    return folder


def finish(building: Path) -> Path:
    """Give a complete folder its own name; return where it is now. Nobody reads it yet."""
    final = building.with_name(building.name.removeprefix(UNFINISHED))
    building.rename(final)
    flush(final.parent)
    steps.reach("generation named")
    return final


def publish(generation: Path) -> None:
    """Make a finished generation the one that serves for its encoder; let go of the oldest ones."""
    collection = generation.parent.parent
    point(collection, read_manifest_file(generation / MANIFEST_FILE))
    steps.reach("generation published")
    tidy(collection)


def roll_back(collection: Path, generation: str) -> Generation:
    """Make a kept generation serve again for its encoder, after checking every byte of it.

    Raises:
        BuildRunningError: a build is about to publish another one.
        GenerationError: it is not kept, or damaged.
    """
    with build_lock(collection):
        if generation not in finished(collection):
            raise GenerationError(f"There is no generation {generation!r} any more.")
        adopt(collection)
        found = Generation.open(generations_folder(collection) / generation)
        point(collection, found.manifest)
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


def forget(collection: Path, encoder: str) -> None:
    """Remove an encoder's generations and pointer. Raises BuildRunningError."""
    with build_lock(collection):
        adopt(collection)
        pointer_of(collection, encoder).unlink(missing_ok=True)
        for name in finished(collection):
            told = about(collection, name)
            if told is not None and told.encoder == encoder:
                set_aside(collection, name)
        tidy(collection)
