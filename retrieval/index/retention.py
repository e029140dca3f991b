"""Which generations are kept, and for how long: the last few, and none with an erased photo."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from retrieval import steps
from retrieval.disk import flush
from retrieval.index.generation import GenerationError
from retrieval.index.pointers import (
    about,
    finished,
    follow,
    generations_folder,
    pointer_of,
    pointers,
)

KEPT = 3
UNFINISHED = ".building-"  # how the name of a folder begins that is no generation, or not yet
_ERASED = "photos-erased"


def tidy(collection: Path, keep: int = KEPT) -> None:
    """Remove what killed builds left and all but `keep` generations of each encoder.

    For who holds the lock. What serves, for whichever encoder, is kept.
    """
    serving = set()
    for pointer in pointers(collection):
        with suppress(GenerationError):
            serving.add(follow(pointer))
    kept: Counter[str] = Counter()
    for name in sorted(finished(collection), key=lambda name: name not in serving):
        encoder = told.encoder if (told := about(collection, name)) else ""
        kept[encoder] += 1
        if kept[encoder] > keep and name not in serving:
            set_aside(collection, name)
    for leftover in generations_folder(collection).glob(UNFINISHED + "*"):
        shutil.rmtree(leftover, ignore_errors=True)
        steps.reach("leftover removed")


def set_aside(collection: Path, generation: str) -> None:
    """Put a generation out of sight, for :func:`tidy`: half removed it must not seem to be one."""
    folder = generations_folder(collection)
    (folder / generation).rename(folder / (UNFINISHED + generation))
    steps.reach("old generation set aside")


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
    try:
        erased = mark.stat().st_mtime
    except FileNotFoundError:
        return
    built = follow(pointer_of(collection, encoder))
    stale = [
        name
        for name in finished(collection, besides=built or "")
        if (told := about(collection, name)) is None or told.created <= erased
    ]
    for pointer in pointers(collection):
        with suppress(GenerationError):
            if follow(pointer) in stale:
                pointer.unlink()
    for name in stale:
        set_aside(collection, name)
    tidy(collection)
    if erased < began and mark.stat().st_mtime == erased:  # and no other photo meanwhile
        mark.unlink()
