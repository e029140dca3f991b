"""The wire schema: what the bot asks of the worker and what it answers.

Plain data, encoded as MessagePack by msgspec. A change that an old peer cannot read raises
``PROTOCOL``. Nothing here may import more than msgspec and other plain data.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

import msgspec

from retrieval.reports import (
    AddedPhoto,
    BuildReport,
    ChangedPhotos,
    CollectionStatus,
    Done,
    PhotoPage,
    PicturesReply,
    Place,
    PlotReply,
    Progress,
    Statistics,
    Step,
    VerifyReport,
)

PROTOCOL = 4

FailureCode = Literal[
    "not_an_image",  # the bytes are no picture that we read
    "animated",  # more than one frame
    "too_large",  # too many bytes or pixels
    "damaged",  # cut off or corrupt
    "empty",  # no bytes
    "blank",  # a picture with nothing drawn on it
    "photo",  # a photo instead of a drawing
    "text",  # a page of writing
    "noise",  # nothing but noise
    "no_index",  # none of the collections has been built
    "other_encoder",  # the index was built by another encoder
    "bad_index",  # the index on disk is damaged
    "busy",  # the queue is full; see retry_after
    "expired",  # the deadline passed before the work was done
    "build_running",  # this collection is being built already
    "build_cancelled",  # somebody stopped it
    "no_build",  # there is none to stop
    "bad_descriptions",  # a folder's table of descriptions cannot be read
    "no_photos",  # a build found nothing to index, or no folder to look in
    "unknown_collection",
    "not_yours",  # the collection's photos are in a folder of the host's
    "unknown_photo",
    "no_cells",  # the encoder cannot tell which places of a picture it compared
    "unknown_generation",  # it is not kept any more
    "protocol",  # the peer speaks another version
    "worker_gone",  # the worker died or cannot be reached; said by the client
    "crashed_twice",  # this drawing was at work at two crashes; said by the client
    "internal",  # a fault of ours; the worker's log has it under the same id
]


class Match(msgspec.Struct, tag="match", frozen=True):
    """Find the photos that look most like one drawing."""

    drawing: bytes
    collections: tuple[str, ...]
    k: int = 5


class Canonicalise(msgspec.Struct, tag="canonicalise", frozen=True):
    """Ask for what the encoder is given of a drawing."""

    drawing: bytes


class Explain(msgspec.Struct, tag="explain", frozen=True):
    """Ask where a drawing and a photo of a collection agree."""

    drawing: bytes
    collection: str
    photo_id: str


class Build(msgspec.Struct, tag="build", frozen=True):
    """Build a collection's index; answered by Progress messages and then a BuildReport.

    ``full`` encodes every photo again.
    """

    collection: str
    full: bool = False


class CancelBuild(msgspec.Struct, tag="cancel_build", frozen=True):
    """Stop the build of a collection that is running, here or in another process."""

    collection: str


class RollBack(msgspec.Struct, tag="roll_back", frozen=True):
    """Make a generation that is kept serve again."""

    collection: str
    generation: str


class Verify(msgspec.Struct, tag="verify", frozen=True):
    """Read a collection's generations byte by byte."""

    collection: str


class AddPhoto(msgspec.Struct, tag="add_photo", frozen=True):
    """Keep a photo; it can be found after the next build. The collection is made if need be."""

    collection: str
    data: bytes
    title: str = ""
    credit: str = ""


class EditPhoto(msgspec.Struct, tag="edit_photo", frozen=True):
    """Change what is known of a photo; None leaves it."""

    collection: str
    photo_id: str
    title: str | None = None
    credit: str | None = None


class ChangePhotos(msgspec.Struct, tag="change_photos", frozen=True):
    """Take photos away, bring them back, or delete every trace of them."""

    collection: str
    photo_ids: tuple[str, ...]
    to: Literal["removed", "restored", "erased"]


class ListPhotos(msgspec.Struct, tag="list_photos", frozen=True):
    """List a collection's photos, the newest first: those with all ``words``, or the removed."""

    collection: str
    words: str = ""
    offset: int = 0
    limit: int = 5
    removed: bool = False
    pictures: bool = True


class Pictures(msgspec.Struct, tag="pictures", frozen=True):
    """Ask for pictures to be shown or given away: uploads made harmless, photos by their ids.

    Drawings come back as PNG, upright, flattened as a result card shows them, without metadata and
    at most ``side`` pixels; photos as their thumbnails.
    """

    drawings: tuple[bytes, ...]
    photos: tuple[str, ...]
    side: Annotated[int, msgspec.Meta(ge=16, le=2048)]


class Plot(msgspec.Struct, tag="plot", frozen=True):
    """Ask for the chart of statistics."""

    statistics: Statistics


class Status(msgspec.Struct, tag="status", frozen=True):
    """Ask what the collections hold and which generations serve; of none given, of all."""

    collections: tuple[str, ...]


class Health(msgspec.Struct, tag="health", frozen=True):
    """Ask how the worker is."""


Curating = AddPhoto | EditPhoto | ChangePhotos | ListPhotos
Keeping = CancelBuild | RollBack | Verify
Showing = Pictures | Plot
Telling = Canonicalise | Explain


class Request(msgspec.Struct, frozen=True):
    """One request. ``deadline`` is in seconds since the Unix epoch."""

    id: int
    deadline: float
    body: Match | Telling | Build | Status | Health | Curating | Keeping | Showing
    protocol: int = PROTOCOL


class MatchedPhoto(msgspec.Struct, frozen=True):
    """One photo found. ``score`` is the cosine similarity, -1 to 1; ``thumbnail`` is a JPEG."""

    rank: int
    photo: str  # path inside its collection
    photo_id: str  # SHA-256 of the file, hexadecimal
    collection: str
    title: str
    credit: str
    score: float
    thumbnail: bytes


class Confidence(msgspec.Struct, frozen=True):
    """How sure an answer is.

    ``probability`` is that of one of the first five photos showing what was drawn.
    """

    level: Literal["sure", "guess", "lost"]
    probability: float


class Matches(msgspec.Struct, tag="matches", frozen=True):
    """The answer to Match. ``drawing`` is the upload as a bounded PNG without metadata.

    ``confidence`` is None where the encoder was never calibrated.
    """

    matches: tuple[MatchedPhoto, ...]
    confidence: Confidence | None
    drawing: bytes
    generation: str
    encoder: str
    timings_ms: dict[str, float]


class Canonical(msgspec.Struct, tag="canonical", frozen=True):
    """The answer to Canonicalise: what is drawn, and where on its page; and what was done to it.

    Both pictures are PNG.
    """

    subject: bytes
    page: bytes
    steps: tuple[Step, ...]


class Explanation(msgspec.Struct, tag="explanation", frozen=True):
    """The answer to Explain: drawing and photo side by side, lit where they agree, as a JPEG.

    Where that is most, in words; None where nothing speaks for the match.
    """

    picture: bytes
    drawing_place: Place | None
    photo_place: Place | None
    encoder: str


class Collections(msgspec.Struct, tag="collections", frozen=True):
    """The answer to Status."""

    collections: tuple[CollectionStatus, ...]
    encoder: str


class HealthReport(msgspec.Struct, tag="health_report", frozen=True):
    """How the worker is: ``queue_age`` is the oldest waiting drawing's age in seconds."""

    ready: bool
    device: str
    encoder: str
    queued: int
    queue_age: float
    answered: int
    batches: int
    uptime: float


class Failure(msgspec.Struct, tag="failure", frozen=True):
    """Why there is no answer: ``detail`` is a sentence, ``retry_after`` seconds or None."""

    code: FailureCode
    detail: str = ""
    retry_after: float | None = None


ReplyBody = (
    Matches
    | Canonical
    | Explanation
    | Progress
    | BuildReport
    | Collections
    | HealthReport
    | AddedPhoto
    | PhotoPage
    | ChangedPhotos
    | VerifyReport
    | PicturesReply
    | PlotReply
    | Done
    | Failure
)


class Reply(msgspec.Struct, frozen=True):
    """One answer; ``id`` is the request's. Only Progress is followed by more of the same id."""

    id: int
    body: ReplyBody
    protocol: int = PROTOCOL


_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    """Return the message's bytes."""
    return _encoder.encode(message)


def decode_request(data: bytes) -> Request:
    """Read a request; raises msgspec.DecodeError if it is none of this version's."""
    return _requests.decode(data)


def decode_reply(data: bytes) -> Reply:
    """Read a reply; raises msgspec.DecodeError if it is none of this version's."""
    return _replies.decode(data)


def remaining(deadline: float) -> float:
    """Return the seconds left until a deadline, never below 0."""
    return max(0.0, deadline - time.time())
