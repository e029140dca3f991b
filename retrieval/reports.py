"""What is told of an index and its building. Plain data, loads nothing but msgspec."""

from __future__ import annotations

from typing import Literal

import msgspec

# A ninth of a picture, row by row.
Place = Literal[
    "upper left", "top", "upper right", "left", "middle", "right",
    "lower left", "bottom", "lower right",
]  # fmt: skip

# What was done to a drawing before the encoder saw it, in the order of doing.
Step = Literal[
    "turned",  # upright, as its file says
    "enlarged",  # a small doodle was looked at again, closer
    "bars",  # an app's bars around the canvas were cut off
    "sheet",  # the sheet of paper was cut out and seen from above
    "shadows",  # paper of uneven tone was evened out
    "rules",  # ruled or squared lines were taken away
    "clutter",  # and so were specks, or what hangs at a photo's border
    "caption",  # and lines of writing above or below
    "inverted",  # light lines on dark paper were turned dark on white
    "cropped",  # what is drawn filled only a part of its page
]


class Progress(msgspec.Struct, tag="progress", frozen=True):
    """How far a build is: ``done`` of ``total`` photos in this stage."""

    stage: Literal["reading", "encoding", "publishing"]
    done: int
    total: int


class Unreadable(msgspec.Struct, frozen=True):
    """A file that was left out of an index, and why, in words for a person."""

    photo: str
    reason: str


class NearDuplicate(msgspec.Struct, frozen=True):
    """Two photos that look nearly the same; ``bits`` of 64 tell them apart."""

    photo: str  # path inside the collection
    like: str
    title: str
    like_title: str
    bits: int


class BuildReport(msgspec.Struct, tag="build_report", frozen=True):
    """What a build did. Counts are photos, not files: exact duplicates are one photo.

    ``edited`` photos are unchanged but for what is known of them. Where nothing changed at all,
    ``generation`` is the one that served before. Of the near duplicates among what is new only the
    nearest are listed.
    """

    collection: str
    generation: str
    encoder: str
    photos: int
    added: int
    unchanged: int
    edited: int
    removed: int
    duplicates: int
    near_duplicates: tuple[NearDuplicate, ...]
    passed_over: dict[str, int]
    unreadable: tuple[Unreadable, ...]
    seconds: float


class KeptGeneration(msgspec.Struct, frozen=True):
    """A generation that can serve; ``built_at`` in seconds since the Unix epoch."""

    generation: str
    built_at: float
    photos: int
    encoder: str  # name and start of the digest
    serves: bool


class CollectionStatus(msgspec.Struct, frozen=True):
    """What one collection holds. Everything is None where nothing has been built.

    A `damaged` one has an index, of which nothing can be told.
    """

    name: str
    photos: int | None = None
    generation: str | None = None
    built_at: float | None = None  # seconds since the Unix epoch
    encoder: str | None = None
    bytes_on_disk: int | None = None
    structure: str = ""  # how it is searched, in a few words
    building: bool = False
    kept: tuple[KeptGeneration, ...] = ()
    problem: str | None = None
    damaged: bool = False


class VerifyReport(msgspec.Struct, tag="verify_report", frozen=True):
    """What reading a collection's generations byte by byte gave: the damaged ones, and why."""

    collection: str
    checked: int
    damaged: dict[str, str]


class AddedPhoto(msgspec.Struct, tag="added_photo", frozen=True):
    """A photo that a collection now has; ``new`` says whether it had not had it before."""

    photo_id: str
    title: str
    new: bool


class ListedPhoto(msgspec.Struct, frozen=True):
    """A photo of a collection, as a list shows it; ``until`` is when a removed one is deleted."""

    photo_id: str
    title: str
    credit: str
    thumbnail: bytes
    until: float | None = None


class PhotoPage(msgspec.Struct, tag="photo_page", frozen=True):
    """Some of a collection's photos, and how many there are in all."""

    photos: tuple[ListedPhoto, ...]
    total: int


class ChangedPhotos(msgspec.Struct, tag="changed_photos", frozen=True):
    """Ids of the photos that a change was made to; others were not there."""

    photo_ids: tuple[str, ...]


class EncoderHits(msgspec.Struct, frozen=True):
    """How often an encoder's matches were judged good: a share and its interval, 0 to 1."""

    label: str
    hit: float
    low: float
    high: float
    judged: int


class Hardness(msgspec.Struct, frozen=True):
    """How often what was drawn was missed: a share and its interval, 0 to 1."""

    title: str
    miss: float
    low: float
    high: float
    judged: int


class Statistics(msgspec.Struct, frozen=True):
    """What is drawn of votes: counts for each of ``days`` (YYYY-MM-DD, in order), and shares.

    ``encoders`` stand in the order of their coming, ``hardest`` with the hardest first.
    """

    days: tuple[str, ...]
    good: tuple[int, ...]
    miss: tuple[int, ...]
    funny: tuple[int, ...]
    encoders: tuple[EncoderHits, ...]
    hardest: tuple[Hardness, ...]


class PicturesReply(msgspec.Struct, tag="pictures_reply", frozen=True):
    """Drawings as PNG and photos as JPEG, in the order asked for; empty where there is none."""

    drawings: tuple[bytes, ...]
    photos: tuple[bytes, ...]


class PlotReply(msgspec.Struct, tag="plot_reply", frozen=True):
    """A chart as PNG."""

    picture: bytes


class Done(msgspec.Struct, tag="done", frozen=True):
    """What was asked for is done, and there is nothing more to say."""
