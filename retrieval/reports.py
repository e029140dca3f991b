"""What is told of an index and its building. Plain data, loads nothing but msgspec."""

from __future__ import annotations

from typing import Literal

import msgspec


class Progress(msgspec.Struct, tag="progress", frozen=True):
    """How far a build is: ``done`` of ``total`` photos in this stage."""

    stage: Literal["reading", "encoding", "publishing"]
    done: int
    total: int


class Unreadable(msgspec.Struct, frozen=True):
    """A file that was left out of an index, and why, in words for a person."""

    photo: str
    reason: str


class BuildReport(msgspec.Struct, tag="build_report", frozen=True):
    """What a build did. Counts are photos, not files: exact duplicates are one photo."""

    collection: str
    generation: str
    encoder: str
    photos: int
    added: int
    unchanged: int
    removed: int
    duplicates: int
    unreadable: tuple[Unreadable, ...]
    seconds: float


class CollectionStatus(msgspec.Struct, frozen=True):
    """What one collection holds. Everything is None where nothing has been built."""

    name: str
    photos: int | None = None
    generation: str | None = None
    built_at: float | None = None  # seconds since the Unix epoch
    encoder: str | None = None
    bytes_on_disk: int | None = None
    problem: str | None = None
