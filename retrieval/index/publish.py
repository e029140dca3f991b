"""Which generation serves: the one step in which an index changes for its readers.

Each encoder has a pointer of its own, ``serving/<start of its digest>``, so that the next one's
generations stand ready beside the live ones and the former's stay to go back to. ``CURRENT`` is the
single pointer of older homes; the next build replaces it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections import Counter
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
_SERVING = "serving"
_CANCEL = "cancel-build"
_ERASED = "photos-erased"
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
    """Make a finished generation the one that serves for its encoder; let go of the oldest ones."""
    collection = generation.parent.parent
    _point(collection, read_manifest_file(generation / MANIFEST_FILE))
    steps.reach("generation published")
    tidy(collection)


def _point(collection: Path, manifest: Manifest) -> None:
    pointer = _pointer(collection, manifest.encoder)
    if not pointer.parent.exists():
        pointer.parent.mkdir()
        flush(collection)
    write_whole(pointer, f"{manifest.generation}\n".encode())


def _pointer(collection: Path, encoder: str) -> Path:
    return collection / _SERVING / encoder[:16]


def adopt(collection: Path) -> None:
    """Turn an older home's single pointer into one of its encoder's; for who holds the lock."""
    if not (collection / _CURRENT).exists():
        return
    with suppress(GenerationError):  # damaged: it points to nothing
        name = _read_pointer(collection / _CURRENT) or ""
        manifest = read_manifest_file(generations_folder(collection) / name / MANIFEST_FILE)
        if not _pointer(collection, manifest.encoder).exists():
            _point(collection, manifest)
    steps.reach("pointer adopted")
    (collection / _CURRENT).unlink()
    flush(collection)


def withdraw(collection: Path) -> None:
    """Let no generation serve, of no encoder: the collection has no photo any more."""
    for pointer in _pointers(collection):
        pointer.unlink(missing_ok=True)
        flush(pointer.parent)
    steps.reach("generation withdrawn")


def finished(collection: Path, besides: str = "") -> list[str]:
    """Return the ids of the generations that are whole, the newest first."""
    try:
        names = [path.name for path in generations_folder(collection).iterdir()]
    except FileNotFoundError:
        return []
    return sorted((n for n in names if _ID.fullmatch(n) and n != besides), reverse=True)


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
        _point(collection, found.manifest)
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
    """Remove what killed builds left and all but `keep` generations of each encoder.

    For who holds the lock. What serves, for whichever encoder, is kept.
    """
    serving = set()
    for pointer in _pointers(collection):
        with suppress(GenerationError):
            serving.add(_read_pointer(pointer))
    kept: Counter[str] = Counter()
    for name in sorted(finished(collection), key=lambda name: name not in serving):
        encoder = told.encoder if (told := about(collection, name)) else ""
        kept[encoder] += 1
        if kept[encoder] > keep and name not in serving:
            set_aside(collection, name)
    for leftover in generations_folder(collection).glob(_UNFINISHED + "*"):
        shutil.rmtree(leftover, ignore_errors=True)
        steps.reach("leftover removed")


def set_aside(collection: Path, generation: str) -> None:
    """Put a generation out of sight, for :func:`tidy`: half removed it must not seem to be one."""
    folder = generations_folder(collection)
    (folder / generation).rename(folder / (_UNFINISHED + generation))
    steps.reach("old generation set aside")


def about(collection: Path, generation: str) -> Manifest | None:
    """Return a generation's manifest, None where it is damaged."""
    with suppress(GenerationError):
        return read_manifest_file(generations_folder(collection) / generation / MANIFEST_FILE)
    return None


def forget(collection: Path, encoder: str) -> None:
    """Remove an encoder's generations and pointer. Raises BuildRunningError."""
    with build_lock(collection):
        adopt(collection)
        _pointer(collection, encoder).unlink(missing_ok=True)
        for name in finished(collection):
            told = about(collection, name)
            if told is not None and told.encoder == encoder:
                set_aside(collection, name)
        tidy(collection)


def mark_erased(collection: Path) -> None:
    """Remember that photos are erased for good: what was read before now still names them.

    To be called before the first is deleted, and again after the last.
    """
    mark = collection / _ERASED
    mark.touch()
    os.utime(mark, (time.time(), time.time()))
    flush(collection)


def let_go_of_erased(collection: Path, encoder: str, began: float) -> None:
    """Keep nothing that names an erased photo; for who holds the lock and has just built.

    What `encoder` serves is of the folder as it was when the build `began` (in seconds since 1970),
    or later. All else that was read before the erasure goes, other encoders' generations too: their
    embeddings are cached, and a build makes them anew. What was erased while the build was on its
    way may be in what it published: the next one lets go of it.
    """
    mark = collection / _ERASED
    if not mark.exists() or (erased := mark.stat().st_mtime) >= began:
        return
    built = current_id(collection, encoder) if _pointer(collection, encoder).exists() else None
    stale = [
        name
        for name in finished(collection, besides=built or "")
        if (told := about(collection, name)) is None or told.created <= erased
    ]
    for pointer in _pointers(collection):
        with suppress(GenerationError):
            if _read_pointer(pointer) in stale:
                pointer.unlink()
    for name in stale:
        set_aside(collection, name)
    tidy(collection)
    if mark.stat().st_mtime == erased:  # and no other photo meanwhile
        mark.unlink()


def current_id(collection: Path, encoder: str | None = None) -> str | None:
    """Return the id of the generation that serves, or None if nothing was published yet.

    With an encoder's digest it is the one that serves for it, or where there is none that of
    another encoder, the newest: whoever opens it finds out, and can say so.
    """
    for _ in range(2):  # a pointer may be adopted between two looks
        first = [_pointer(collection, encoder), collection / _CURRENT] if encoder else []
        for pointer in first:
            if name := _read_pointer(pointer):
                return name
    for pointer in _pointers(collection):
        if name := _read_pointer(pointer):
            return name
    return None


def _pointers(collection: Path) -> list[Path]:
    """List the pointers, the last written first."""
    found = []
    for pointer in (*(collection / _SERVING).glob("[0-9a-f]*"), collection / _CURRENT):
        with suppress(FileNotFoundError):
            found.append((pointer.stat().st_mtime_ns, pointer))
    return [pointer for _, pointer in sorted(found, reverse=True)]


def _read_pointer(pointer: Path) -> str | None:
    try:
        name = pointer.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
    if not _ID.fullmatch(name):
        raise GenerationError(f"{pointer.name} of {pointer.parent.name} names no generation")
    return name


def read_manifest(collection: Path, encoder: str | None = None) -> Manifest | None:
    """Return the manifest of what :func:`current_id` names, or None if there is none."""
    name = current_id(collection, encoder)
    if name is None:
        return None
    return read_manifest_file(generations_folder(collection) / name / MANIFEST_FILE)


def open_current(collection: Path, encoder: str | None = None) -> Generation | None:
    """Open what :func:`current_id` names, or return None if nothing was published yet."""
    name = current_id(collection, encoder)
    return None if name is None else Generation.open(generations_folder(collection) / name)
