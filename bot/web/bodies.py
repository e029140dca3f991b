"""What the page sends and gets, as JSON; bytes are base64. Everything that comes has its bounds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bot.store.models import VoteKind

MAX_BODY = 4 * 1024 * 1024
MAX_POINTS = 40_000

_Png = Annotated[bytes, Meta(min_length=1, max_length=1024 * 1024)]
_PhotoId = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
# A pen may slip over the paper's edge; it is followed for a while.
_Coordinate = Annotated[float, Meta(ge=-0.5, le=1.5)]
_Pressure = Annotated[float, Meta(ge=0, le=1)]
_Milliseconds = Annotated[int, Meta(ge=0, le=24 * 3600 * 1000)]
_Point = tuple[_Coordinate, _Coordinate, _Pressure, _Milliseconds]


class Stroke(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One line: on paper from (0, 0) at the top left to (1, 1); the eraser's lines are white."""

    tool: Literal["pen", "eraser"]
    width: Annotated[float, Meta(gt=0, le=0.25)]  # where the pressure is 0.5; the paper's is 1
    points: Annotated[list[_Point], Meta(min_length=1, max_length=MAX_POINTS)]


class Sketch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A drawing as lines in the order in which they were drawn; times count from the first one."""

    version: Literal[1]
    strokes: Annotated[list[Stroke], Meta(min_length=1, max_length=4000)]

    def __post_init__(self) -> None:
        """Refuse more points than anybody draws; msgspec makes a ValidationError of it."""
        if sum(len(stroke.points) for stroke in self.strokes) > MAX_POINTS:
            raise ValueError(f"more than {MAX_POINTS} points")


class Live(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is on the paper now; ``known`` are photos that the page has already."""

    drawing: _Png
    known: Annotated[list[_PhotoId], Meta(max_length=100)] = []


class Post(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A drawing that is done."""

    drawing: _Png
    sketch: Sketch
    known: Annotated[list[_PhotoId], Meta(max_length=100)] = []


class Ballot(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A tap on one of the buttons below a posted photo."""

    result: Annotated[int, Meta(ge=1, lt=2**62)]
    kind: VoteKind


class Photo(msgspec.Struct, frozen=True):
    """A photo that was found. ``thumbnail`` is a JPEG, None if the page knows it; ``result`` is
    what can be voted on, once it is posted.
    """

    id: str
    title: str
    credit: str
    thumbnail: bytes | None
    result: int | None = None


class Found(msgspec.Struct, frozen=True):
    """What looks like the drawing, best first."""

    photos: list[Photo]


class Opened(msgspec.Struct, frozen=True):
    """Where the drawing will be posted, and a name under which this browser may keep it."""

    channel: str
    keep_as: str


class Posted(msgspec.Struct, frozen=True):
    """What was posted; ``again`` leads to another link where there is a way but Discord's."""

    url: str
    photos: list[Photo]
    again: str | None


class Counted(msgspec.Struct, frozen=True):
    """All votes on what was posted, by result and kind, and whether the tap stands as a vote."""

    tallies: dict[str, dict[str, int]]
    stands: bool


class Refused(msgspec.Struct, frozen=True):
    """Why not: a code for the page, a sentence for people."""

    code: Literal["link", "used", "blank", "busy", "other"]
    sentence: str
    retry_after: float | None = None
    again: str | None = None
