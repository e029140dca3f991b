"""Where each encoder's pointer to the generation that serves it lies, and how it is followed.

An encoder's pointer is a file of its own, ``serving/<start of its digest>``, so that the next one's
generations stand ready beside the live ones and the former's stay to go back to. ``CURRENT`` is the
single pointer of older homes; the next build replaces it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from retrieval import steps
from retrieval.disk import flush, write_whole
from retrieval.index.generation import (
    MANIFEST_FILE,
    Generation,
    GenerationError,
    Manifest,
    read_manifest_file,
)

_CURRENT = "CURRENT"
_SERVING = "serving"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def generations_folder(collection: Path) -> Path:
    """Return where a collection's generations lie."""
    return collection / "generations"


def finished(collection: Path, besides: str = "") -> list[str]:
    """Return the ids of the generations that are whole, the newest first."""
    try:
        names = [path.name for path in generations_folder(collection).iterdir()]
    except FileNotFoundError:
        return []
    return sorted((n for n in names if _ID.fullmatch(n) and n != besides), reverse=True)


def about(collection: Path, generation: str) -> Manifest | None:
    """Return a generation's manifest, None where it is damaged."""
    with suppress(GenerationError):
        return read_manifest_file(generations_folder(collection) / generation / MANIFEST_FILE)
    return None


def point(collection: Path, manifest: Manifest) -> None:
    """Let a generation serve for its encoder: one file, from one moment to the next."""
    pointer = pointer_of(collection, manifest.encoder)
    if not pointer.parent.exists():
        pointer.parent.mkdir()
        flush(collection)
    write_whole(pointer, f"{manifest.generation}\n".encode())


def pointer_of(collection: Path, encoder: str) -> Path:
    """Return where an encoder's pointer lies, whether it is there or not."""
    return collection / _SERVING / encoder[:16]


def adopt(collection: Path) -> None:
    """Turn an older home's single pointer into one of its encoder's; for who holds the lock."""
    if not (collection / _CURRENT).exists():
        return
    with suppress(GenerationError):  # damaged: it points to nothing
        name = follow(collection / _CURRENT) or ""
        manifest = read_manifest_file(generations_folder(collection) / name / MANIFEST_FILE)
        if not pointer_of(collection, manifest.encoder).exists():
            point(collection, manifest)
    steps.reach("pointer adopted")
    (collection / _CURRENT).unlink()
    flush(collection)


def withdraw(collection: Path) -> None:
    """Let no generation serve, of no encoder: the collection has no photo any more."""
    for pointer in pointers(collection):
        pointer.unlink(missing_ok=True)
        flush(pointer.parent)
    steps.reach("generation withdrawn")


def current_id(collection: Path, encoder: str | None = None) -> str | None:
    """Return the id of the generation that serves, or None if nothing was published yet.

    With an encoder's digest it is the one that serves for it, or where there is none that of
    another encoder, the newest: whoever opens it finds out, and can say so.
    """
    for _ in range(2):  # a pointer may be adopted between two looks
        first = [pointer_of(collection, encoder), collection / _CURRENT] if encoder else []
        for pointer in first:
            if name := follow(pointer):
                return name
    for pointer in pointers(collection):
        if name := follow(pointer):
            return name
    return None


def pointers(collection: Path) -> list[Path]:
    """List the pointers, the last written first."""
    found = []
    for pointer in (*(collection / _SERVING).glob("[0-9a-f]*"), collection / _CURRENT):
        with suppress(FileNotFoundError):
            found.append((pointer.stat().st_mtime_ns, pointer))
    return [pointer for _, pointer in sorted(found, reverse=True)]


def follow(pointer: Path) -> str | None:
    """Return the id that a pointer names, None if it is not there. Raises GenerationError."""
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
