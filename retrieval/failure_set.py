"""Failure cases as they leave the house: a zip of drawings, the photos returned, and the votes.

Made by the bot from its votes, read by the evaluation of the next encoder. Plain data and zipfile;
no image is decoded here and no server, message or person is named. A collection that belongs to a
server has the server's id in its name, so it is called by a pseudonym that only the home that it
was exported from can resolve.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import Meta

from retrieval import library
from retrieval.disk import flush
from retrieval.home import Home

FORMAT: Final = 1
ABOUT, CASES, DATASHEET = "failures.json", "cases.jsonl", "datasheet.md"
MAX_CASES: Final = 100_000
MAX_PHOTOS: Final = 20  # of one drawing
MAX_PICTURE: Final = 16 * 1024 * 1024  # bytes of a drawing or photo
_MAX_TEXT: Final = 512 * 1024 * 1024  # bytes of all cases
_MAX_LINE: Final = 1024 * 1024
_OWN: Final = "server-"  # how the bot names the collection of a server
_PSEUDONYM: Final = "own-"
_KEY: Final = "export.key"
_NO_DAY: Final = (1980, 1, 1, 0, 0, 0)  # the same cases give the same bytes whenever exported
_PLAIN_FILE: Final = 0o100644 << 16
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Verdict = Literal["failure", "good", "undecided"]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Text = Annotated[str, Meta(max_length=4000)]
Gallery = Annotated[str, Meta(pattern=r"^(?!server-)[a-z0-9][a-z0-9_-]{0,63}\Z")]
CaseName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")]
PhotoId = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class FailureSetError(ValueError):
    """A file of failure cases cannot be read; the message says why, for a person."""


class JudgedPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """One photo that was returned for a drawing, and what people said of it, as counts."""

    rank: Annotated[int, Meta(ge=1, le=1000)]  # from 1
    photo_id: PhotoId  # SHA-256 of the photo, hex
    file: str | None  # inside the zip; None where the photo is gone
    gallery: Gallery  # the collection's name, or a pseudonym
    title: Text
    credit: Text
    score: float
    good: Count
    miss: Count
    funny: Count
    verdict: Verdict
    notes: tuple[Text, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One drawing with what was returned for it."""

    case: CaseName  # a random name that means nothing elsewhere
    drawing: str  # file inside the zip: PNG without metadata
    may_train: bool  # its author allowed training, and still did when this was exported
    month: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}\Z")]  # when it was drawn; no day, no hour
    encoder: Text  # label: name@digest8
    galleries: Annotated[tuple[Gallery, ...], Meta(max_length=100)]  # what was searched
    photos: Annotated[tuple[JudgedPhoto, ...], Meta(max_length=MAX_PHOTOS)]


class _Format(msgspec.Struct, frozen=True):
    format: int


class _About(_Format, frozen=True):
    cases: Count


class Writer:
    """Writes a failure set, which appears at its path when it is whole and not before.

    The same cases, added in the same order, give the same bytes. Add them in the order of their
    names, or the zip tells in which order they were drawn.
    """

    def __init__(self, path: Path) -> None:
        """Begin beside `path`; leaving the context without an error puts the file there."""
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._zip = zipfile.ZipFile(self._part, "w")
        self._cases: dict[str, bytes] = {}
        self._photos: set[str] = set()
        self._datasheet = ""

    def add(self, case: Case, drawing: bytes, photos: Mapping[str, bytes]) -> None:
        """Add a case, its drawing as PNG, and its photos as JPEG by their ids.

        Where the files stand is decided here: `case.drawing` and the photos' `file` may hold
        anything. A photo that is missing, or empty, is gone. Raises ValueError for what
        :func:`read` would refuse: a name used twice, the collection of a server by its own name.
        """
        placed = msgspec.structs.replace(
            case,
            drawing=f"drawings/{case.case}.png",
            photos=tuple(
                msgspec.structs.replace(
                    photo,
                    file=f"photos/{photo.photo_id}.jpg" if photos.get(photo.photo_id) else None,
                )
                for photo in case.photos
            ),
        )
        line = msgspec.json.encode(placed)
        _parse_case(line)
        if case.case in self._cases:
            raise ValueError(f"there are two cases {case.case}")
        if not 0 < len(drawing) <= MAX_PICTURE or max(map(len, photos.values()), default=0) > (
            MAX_PICTURE
        ):
            raise ValueError(f"a picture of {case.case} is empty or too large")
        self._cases[case.case] = line
        self._put(placed.drawing, drawing)
        for photo in placed.photos:
            if photo.file and photo.file not in self._photos:
                self._photos.add(photo.file)
                self._put(photo.file, photos[photo.photo_id])

    def datasheet(self, text: str) -> None:
        """Say what this set is, in Markdown."""
        self._datasheet = text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._part.unlink(missing_ok=True)  # first: closing writes, and the disk may be full
            self._zip.close()

    def _finish(self) -> None:
        lines = b"".join(line + b"\n" for _, line in sorted(self._cases.items()))
        about = msgspec.json.format(msgspec.json.encode(_About(FORMAT, len(self._cases))))
        for name, data in ((DATASHEET, self._datasheet.encode()), (CASES, lines), (ABOUT, about)):
            self._put(name, data, zipfile.ZIP_DEFLATED)
        self._zip.close()
        flush(self._part)
        self._part.replace(self._path)
        flush(self._path.parent)

    def _put(self, name: str, data: bytes, method: int = zipfile.ZIP_STORED) -> None:
        member = zipfile.ZipInfo(name, _NO_DAY)
        member.external_attr = _PLAIN_FILE
        self._zip.writestr(member, data, method)


@dataclass(frozen=True, slots=True)
class FailureSet:
    """Cases that were checked, and a way to their pictures, which nobody has looked at yet."""

    cases: tuple[Case, ...]
    datasheet: str
    _member: Callable[[str, int], bytes]

    def drawing(self, case: Case) -> bytes:
        """Return a drawing's bytes. Raises FailureSetError."""
        return self._member(case.drawing, MAX_PICTURE)

    def photo(self, photo: JudgedPhoto) -> bytes | None:
        """Return a photo's bytes, None where it is gone. Raises FailureSetError."""
        return self._member(photo.file, MAX_PICTURE) if photo.file else None


def read(path: Path) -> FailureSet:
    """Read a failure set: the zip, or the folder that it was unpacked to.

    Nothing is unpacked, and nothing in it is trusted: sizes are bounded before they are read.

    Raises:
        FailureSetError: it is none, or damaged, or of another format.
        OSError: the file cannot be read.
    """
    member = _in_folder(path) if path.is_dir() else _in_zip(path)
    try:
        told = member(ABOUT, _MAX_LINE)
        found = msgspec.json.decode(told, type=_Format).format  # first: all else may be otherwise
        if found != FORMAT:
            raise FailureSetError(
                f"{path.name} is of format {found}; this version reads {FORMAT}. Export it again "
                "with this version, or evaluate it with the one that wrote it."
            )
        about = msgspec.json.decode(told, type=_About)
        lines = member(CASES, _MAX_TEXT).splitlines()
        if len(lines) != about.cases or len(lines) > MAX_CASES:
            raise FailureSetError(
                f"{CASES} of {path.name} holds {len(lines)} cases where {about.cases} are said to "
                f"be, of at most {MAX_CASES}."
            )
        cases = tuple(map(_parse_case, lines))
        datasheet = member(DATASHEET, _MAX_LINE).decode()
    except (ValueError, RecursionError) as error:
        if isinstance(error, FailureSetError):
            raise
        raise FailureSetError(f"{path.name} holds what is no failure case: {error}") from error
    if len({case.case for case in cases}) != len(cases):
        raise FailureSetError(f"{path.name} has two cases of one name.")
    return FailureSet(cases, datasheet, member)


def _parse_case(line: bytes) -> Case:
    if len(line) > _MAX_LINE:
        raise ValueError("a line is too long")
    case = msgspec.json.decode(line, type=Case)
    files = {photo.file for photo in case.photos if photo.file != f"photos/{photo.photo_id}.jpg"}
    if case.drawing != f"drawings/{case.case}.png" or files - {None}:
        raise ValueError(f"the files of case {case.case} are not named as they should be")
    if len({photo.photo_id for photo in case.photos}) != len(case.photos):
        raise ValueError(f"case {case.case} has one photo twice")
    return case


def _in_zip(path: Path) -> Callable[[str, int], bytes]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise FailureSetError(f"{path.name} is no zip that can be read: {error}") from error

    def member(name: str, most: int) -> bytes:
        try:
            found = archive.getinfo(name)
            if found.compress_type not in _METHODS:
                raise FailureSetError(f"{name} is compressed in a way that is not read here.")
            with archive.open(found) as file:
                return _bounded(file, name, most)
        except KeyError:
            raise FailureSetError(f"{path.name} has no {name} in it.") from None
        except (
            zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
        ) as error:  # damaged, or behind a password  # fmt: skip
            raise FailureSetError(f"{name} of {path.name} cannot be read: {error}") from error

    return member


def _in_folder(folder: Path) -> Callable[[str, int], bytes]:
    root = folder.resolve()

    def member(name: str, most: int) -> bytes:
        path = (root / name).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise FailureSetError(f"{folder.name} has no {name} in it.")
        with path.open("rb") as file:
            return _bounded(file, name, most)

    return member


def _bounded(file: Any, name: str, most: int) -> bytes:
    data: bytes = file.read(most + 1)
    if len(data) > most:
        raise FailureSetError(f"{name} is larger than {most // 1024 // 1024} MiB.")
    return data


def pseudonym(home: Home, collection: str) -> str:
    """Return what a collection is called outside: a server's ``own-`` and 12 hex digits.

    An HMAC-SHA256 with a key that never leaves the home, since ids of servers can be listed and
    tried. A collection that is not a server's keeps its name.
    """
    if not collection.startswith(_OWN):
        return collection
    digest = hmac.new(_key(home), collection.encode(), hashlib.sha256).hexdigest()
    return f"{_PSEUDONYM}{digest[:12]}"


def resolve(home: Home, gallery: str) -> str | None:
    """Return the collection of this home that a case calls `gallery`, or None."""
    called = {pseudonym(home, name): name for name in library.names(home)}
    return called.get(gallery)


def _key(home: Home) -> bytes:
    """Return the home's own key, made at first use; only its owner may read it."""
    path = home.root / _KEY
    if not path.exists():
        home.root.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{_KEY}.{secrets.token_hex(4)}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
                new.write(secrets.token_bytes(32))
                new.flush()
                os.fsync(new.fileno())
            os.link(part, path)  # which never replaces one
        except FileExistsError:
            pass  # another process made one in this moment: that one counts
        finally:
            part.unlink(missing_ok=True)
        flush(home.root)
    return path.read_bytes()
