"""Which encoder a home uses, which it used before, and where their checkpoints are kept.

One file says it, ``encoder.json``, replaced as a whole; where there is none it is the encoder that
this version ships. Everything that answers from a home loads its encoder here. Checkpoints are
copied to ``encoders/``, those that shipped too, so that going back needs nothing from outside.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec
from filelock import FileLock

from retrieval import confidence, embeddings, hubness, index, library, steps
from retrieval.disk import flush, write_whole
from retrieval.encoder import SHIPPED_DIGEST, Encoder, EncoderError, load_encoder, shipped
from retrieval.home import Home
from retrieval.photos import sha256

_REMEMBERED: Final = 20


class Choice(msgspec.Struct, frozen=True):
    """An encoder that this home has used; ``since`` in seconds since the Unix epoch."""

    name: str
    digest: str
    preprocessing: str
    since: float = 0.0

    @property
    def label(self) -> str:
        """Name and start of the digest, as a match names its encoder."""
        return f"{self.name}@{self.digest[:8]}"

    @property
    def file(self) -> str:
        """The checkpoint's name in ``encoders/``."""
        safe = "".join(char if char.isalnum() or char in "-_." else "_" for char in self.name[:60])
        return f"{safe}-{self.digest[:8]}.safetensors"


class Record(msgspec.Struct, frozen=True):
    """The encoder that serves, the one before it, and all that served, the last one last."""

    current: Choice | None = None  # None: the one that this version ships
    previous: Choice | None = None
    history: tuple[Choice, ...] = ()


class KeptEncoder(msgspec.Struct, frozen=True):
    """A checkpoint that is kept, and what it takes on the disk, in bytes."""

    label: str
    digest: str
    checkpoint: int
    embeddings: int
    generations: int
    use: str  # "serves", "before" or ""
    calibrated: bool  # whether members are told how sure its answers are


def read(home: Home) -> Record:
    """Return what is decided. Raises EncoderError if the file is damaged."""
    path = home.chosen_encoder
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return Record()
    except ValueError as error:
        raise EncoderError(
            f"{path} is damaged ({error}). Delete it to go back to the encoder that is shipped."
        ) from error


def current_digest(home: Home) -> str:
    """Return the SHA-256 of the checkpoint that serves. Raises EncoderError."""
    chosen = read(home).current
    return chosen.digest if chosen else SHIPPED_DIGEST


def load_current(home: Home, device: str = "auto") -> Encoder:
    """Load the encoder that serves. Raises EncoderError."""
    return load_choice(home, read(home).current, device)


def load_choice(home: Home, choice: Choice | None, device: str = "auto") -> Encoder:
    """Load a kept encoder and check its SHA-256; None is the one shipped. Raises EncoderError."""
    if choice is None or choice.digest == SHIPPED_DIGEST:
        return load_encoder(None, device)
    return load_encoder(home.encoders / choice.file, device, choice.digest)


def keep(home: Home, encoder: Encoder, checkpoint: Path | None) -> Choice:
    """Copy a checkpoint and what lies beside it to where they are kept; no path is the shipped.

    Raises EncoderError if the file is not any more what was loaded.
    """
    choice = Choice(encoder.name, encoder.digest, encoder.preprocessing, time.time())
    source, target = checkpoint or shipped(), home.encoders / choice.file
    if not target.exists() or sha256(target) != choice.digest:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, part)
        if sha256(part) != choice.digest:
            part.unlink()
            raise EncoderError(f"{source} was changed while it was read. Try again.")
        flush(part)
        part.replace(target)
        flush(target.parent)
    steps.reach("checkpoint kept")
    if confidence.load(confidence.beside(source), choice.digest):
        write_whole(confidence.beside(target), confidence.beside(source).read_bytes())
    if encoder.hubness.encoder == choice.digest:
        write_whole(hubness.beside(target), hubness.beside(source).read_bytes())
    steps.reach("what lies beside it kept")
    return choice


def lock(home: Home) -> AbstractContextManager[object]:
    """Hold the right to choose another encoder; one process at a time."""
    home.root.mkdir(parents=True, exist_ok=True)
    return FileLock(home.root / "encoder.lock", timeout=0)


def stage(
    home: Home, encoder: Encoder, build: Callable[[str], object], names: list[str] | None = None
) -> None:
    """Make every collection that can be searched ready for an encoder, beside what serves.

    Stopped at any moment it goes on where it was: embeddings are cached. Raises what `build` does.
    """
    for name in library.names(home) if names is None else names:
        folder = home.collection(name)
        if index.current_id(folder) is None:
            continue  # nothing of it is searched now
        build(name)
        index.check_ready(folder, encoder.digest)
        steps.reach("collection staged")


def switch(home: Home, choice: Choice, before: Choice) -> None:
    """Let another encoder serve: one file, from one moment to the next."""
    chosen = msgspec.structs.replace(choice, since=time.time())
    history = (*(read(home).history or (before,)), chosen)[-_REMEMBERED:]
    told = msgspec.json.encode(Record(chosen, before, history))
    write_whole(home.chosen_encoder, msgspec.json.format(told))
    steps.reach("encoder switched")


def kept(home: Home) -> list[KeptEncoder]:
    """List every encoder that served or serves and is not forgotten, the last one first."""
    record = read(home)
    current = current_digest(home)
    found: dict[str, KeptEncoder] = {}
    for choice in reversed(record.history):
        file = home.encoders / choice.file
        if choice.digest in found or not file.exists():
            continue
        cache = embeddings.cache_file(home.embeddings, choice.digest, choice.preprocessing)
        before = record.previous is not None and record.previous.digest == choice.digest
        found[choice.digest] = KeptEncoder(
            choice.label,
            choice.digest,
            file.stat().st_size,
            cache.stat().st_size if cache.exists() else 0,
            sum(index.size_of(home.collection(n), choice.digest) for n in library.names(home)),
            "serves" if choice.digest == current else "before" if before else "",
            confidence.load(confidence.beside(file), choice.digest) is not None,
        )
    return list(found.values())


def find(home: Home, start: str) -> Choice:
    """Return the encoder of that name or label, or whose digest begins so. Raises EncoderError."""
    history = read(home).history
    matching = {c.digest: c for c in history if start in (c.name, c.label, c.digest[: len(start)])}
    if len(matching) != 1:
        raise EncoderError(
            f"{len(matching)} encoders are called {start!r}; `magic-pencil encoder list` says "
            "what there is."
        )
    return matching.popitem()[1]


def forget(home: Home, choice: Choice) -> None:
    """Delete a former encoder's checkpoint, embeddings and generations.

    Raises:
        EncoderError: it serves.
        BuildRunningError: a collection is being built.
    """
    record = read(home)
    if choice.digest == current_digest(home):
        raise EncoderError(f"{choice.label} serves now; it cannot be forgotten.")
    previous = record.previous
    left = Record(
        record.current,
        None if previous and previous.digest == choice.digest else previous,
        tuple(item for item in record.history if item.digest != choice.digest),
    )
    _remove(home, {choice.digest})
    embeddings.remove_cache(home.embeddings, choice.digest, choice.preprocessing)
    for file in _files(home, choice):
        file.unlink(missing_ok=True)
    steps.reach("encoder removed")  # last of all the record, so that it can be asked for again
    write_whole(home.chosen_encoder, msgspec.json.format(msgspec.json.encode(left)))


def _files(home: Home, choice: Choice) -> tuple[Path, ...]:
    """Return where a kept encoder's checkpoint lies, and what belongs to it."""
    checkpoint = home.encoders / choice.file
    return checkpoint, confidence.beside(checkpoint), hubness.beside(checkpoint)


def clear(home: Home) -> int:
    """Delete what encoders left that were judged, or half promoted, and never served.

    Returns how many bytes that were. Raises BuildRunningError if a collection is being built.
    """
    known = read(home).history or (_shipped(),)
    needed = {embeddings.cache_file(home.embeddings, c.digest, c.preprocessing) for c in known}
    needed |= {file for c in known for file in _files(home, c)}
    strange = {
        told.encoder
        for name in library.names(home)
        for generation in index.finished(home.collection(name))
        if (told := index.about(home.collection(name), generation))
    } - {c.digest for c in known}
    freed = sum(index.size_of(home.collection(n), d) for n in library.names(home) for d in strange)
    _remove(home, strange)
    for file in (*home.embeddings.glob("*.sqlite*"), *home.encoders.glob("*")):
        if file.with_name(file.name.removesuffix("-wal").removesuffix("-shm")) not in needed:
            freed += file.stat().st_size
            file.unlink()
    return freed


def _shipped() -> Choice:
    encoder = load_encoder(None, "cpu")
    return Choice(encoder.name, encoder.digest, encoder.preprocessing)


def _remove(home: Home, digests: set[str]) -> None:
    """Remove the generations of some encoders."""
    for name in library.names(home):
        for digest in digests:
            index.forget(home.collection(name), digest)
