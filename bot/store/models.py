"""The tables. Queries live in the module of their aggregate; Discord and images stay outside.

Every constraint has a name (SQLite's batch migrations need one), every time is UTC and aware, and
every Discord id is a BigInteger. A change here needs a migration: `python -m migrations "what"`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

ERROR_LENGTH = 500  # characters of an index build's error that are kept


def utcnow() -> datetime:
    """Return the time now, aware, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """Keep aware times as UTC, because SQLite drops the zone; naive times raise ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value with its zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class DrawingSource(StrEnum):
    """The way a drawing came in."""

    SLASH = "slash"
    MESSAGE_COMMAND = "message_command"
    MENTION = "mention"
    CHANNEL = "channel"
    WEB = "draw"


class VoteKind(StrEnum):
    """What a person says of one photo."""

    GOOD = "good"
    MISS = "miss"
    FUNNY = "funny"


class Consent(StrEnum):
    """What a person may agree to; nobody does until they say so."""

    TRAINING = "training"  # their drawings may train an encoder
    NAMING = "naming"  # their name may stand in the hall of fame and on the leaderboard


class Note(StrEnum):
    """Why a photo failed, as a moderator sees it."""

    NOTHING_LIKE_IT = "nothing_like_it"  # the collection holds no such thing
    ORIENTATION = "orientation"
    TEXT = "text"
    ABUSIVE = "abusive"
    UNCLEAR = "unclear"  # nobody could tell what is drawn


class ReportReason(StrEnum):
    """What a member finds wrong with a result card."""

    DRAWING = "drawing"
    PHOTO = "photo"
    OTHER = "other"


class BuildState(StrEnum):
    """How far an index build has come."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


def _stored_as_string(values: type[StrEnum], name: str) -> Enum:
    """Return a VARCHAR column type with a CHECK on the enum's values."""
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """The metadata that models and migrations agree on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own class attribute)
        datetime: UtcDateTime(),
        float: Double(),  # SQLAlchemy 2.0's own choice is Float
        DrawingSource: _stored_as_string(DrawingSource, "source"),
        VoteKind: _stored_as_string(VoteKind, "kind"),
        Consent: _stored_as_string(Consent, "consent"),
        Note: _stored_as_string(Note, "note"),
        ReportReason: _stored_as_string(ReportReason, "reason"),
        BuildState: _stored_as_string(BuildState, "state"),
    }


# Buttons carry result ids and outlive rows. Without AUTOINCREMENT, SQLite would give a deleted id
# to the next drawing, and an old button would vote on somebody else's photo.
_NEVER_REUSE_IDS = {"sqlite_autoincrement": True}


class Drawing(Base):
    """A drawing somebody posted; its bytes are in the file store under `sha256`."""

    __tablename__ = "drawings"
    __table_args__ = (Index(None, "guild_id", "created_at"), _NEVER_REUSE_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)  # the same drawing may come twice
    author_id: Mapped[int] = mapped_column(BigInteger, index=True)
    guild_id: Mapped[int | None] = mapped_column(BigInteger)  # None: a direct message
    channel_id: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[DrawingSource]
    content_type: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    message_id: Mapped[int | None] = mapped_column(BigInteger, index=True)  # it was posted with
    card_channel_id: Mapped[int | None] = mapped_column(BigInteger)  # the message with the result
    card_message_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    age_restricted: Mapped[bool | None]  # was the channel, then; None: not known
    # As drawn on the page, see bot.web.bodies.Sketch; large, and no card needs them.
    strokes: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), deferred=True, deferred_raiseload=True
    )

    results: Mapped[list["Result"]] = relationship(
        order_by="Result.rank",
        cascade="all, delete-orphan",
        passive_deletes=True,
        lazy="raise",  # a lazy load cannot await: ask for results in the query
    )


class Result(Base):
    """One photo found for a drawing, with what was known of it then."""

    __tablename__ = "results"
    __table_args__ = (UniqueConstraint("drawing_id", "rank"), _NEVER_REUSE_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    drawing_id: Mapped[int] = mapped_column(ForeignKey("drawings.id", ondelete="CASCADE"))
    rank: Mapped[int]  # from 1
    photo_id: Mapped[str] = mapped_column(String(64))  # SHA-256 of the photo, hex
    collection: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(Text)
    credit: Mapped[str] = mapped_column(Text)
    score: Mapped[float]
    generation: Mapped[str] = mapped_column(String(100))
    encoder: Mapped[str] = mapped_column(String(100))


class Vote(Base):
    """What one person says of one result; the unique constraint allows one."""

    __tablename__ = "votes"
    __table_args__ = (
        UniqueConstraint("result_id", "user_id"),
        Index(None, "result_id", "user_id", "kind"),  # all that counting votes reads
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("results.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    kind: Mapped[VoteKind]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)


class ServerSettings(Base):
    """What the moderators of one server chose."""

    __tablename__ = "server_settings"

    guild_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    drawing_channel_id: Mapped[int | None] = mapped_column(BigInteger)
    hall_of_fame_channel_id: Mapped[int | None] = mapped_column(BigInteger)
    hall_of_fame_votes: Mapped[int | None]  # of one kind that bring a result there
    reports_channel_id: Mapped[int | None] = mapped_column(BigInteger)
    moderator_role_id: Mapped[int | None] = mapped_column(BigInteger)
    collections: Mapped[list[str] | None] = mapped_column(JSON)  # searched; None: the default
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)
    updated_by: Mapped[int | None] = mapped_column(BigInteger)


class AddedPhoto(Base):
    """Where a photo of a collection came from, so that it can go when its owner wants it to."""

    __tablename__ = "added_photos"
    __table_args__ = (UniqueConstraint("collection", "photo_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[str] = mapped_column(String(100))
    photo_id: Mapped[str] = mapped_column(String(64))  # SHA-256 of the photo as it is kept, hex
    author_id: Mapped[int] = mapped_column(BigInteger, index=True)  # who posted it
    added_by: Mapped[int | None] = mapped_column(BigInteger, index=True)  # the moderator
    channel_id: Mapped[int | None] = mapped_column(BigInteger)
    message_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    attachment_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class GivenConsent(Base):
    """What a person agreed to, when, and which text they had read."""

    __tablename__ = "consents"

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    consent: Mapped[Consent] = mapped_column(primary_key=True)
    text_version: Mapped[int]
    agreed_at: Mapped[datetime] = mapped_column(default=utcnow)


class BlockedMember(Base):
    """Somebody whom a server's moderators do not want answered.

    Known again by a keyed hash, so that the block outlives the deletion of the person's id.
    """

    __tablename__ = "blocked_members"
    __table_args__ = (UniqueConstraint("guild_id", "member_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    guild_id: Mapped[int] = mapped_column(BigInteger)
    member_key: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    blocked_by: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class FailureNote(Base):
    """Why moderators think that a photo failed."""

    __tablename__ = "failure_notes"
    __table_args__ = (UniqueConstraint("result_id", "note"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("results.id", ondelete="CASCADE"))
    note: Mapped[Note]
    noted_by: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class HallPost(Base):
    """A message in a hall of fame channel; without a result it is to be taken down."""

    __tablename__ = "hall_posts"
    __table_args__ = (UniqueConstraint("result_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int | None] = mapped_column(ForeignKey("results.id", ondelete="SET NULL"))
    guild_id: Mapped[int] = mapped_column(BigInteger)
    channel_id: Mapped[int] = mapped_column(BigInteger)
    message_id: Mapped[int | None] = mapped_column(BigInteger, index=True)  # None: being posted
    removed: Mapped[bool] = mapped_column(default=False)  # by somebody, who wants it gone
    shown: Mapped[str] = mapped_column(String(64))  # SHA-256 of its text, to edit what changed
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class Report(Base):
    """What a member told the moderators of a result card; one a person."""

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("drawing_id", "reporter_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    drawing_id: Mapped[int] = mapped_column(ForeignKey("drawings.id", ondelete="CASCADE"))
    reporter_id: Mapped[int] = mapped_column(BigInteger, index=True)
    reason: Mapped[ReportReason]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class DrawLink(Base):
    """A link to the drawing page that was opened."""

    __tablename__ = "draw_links"

    nonce: Mapped[str] = mapped_column(String(32), primary_key=True)
    browser: Mapped[str] = mapped_column(String(64))  # SHA-256 of the cookie that it got, hex
    opened_at: Mapped[datetime] = mapped_column(default=utcnow)
    used_at: Mapped[datetime | None]
    drawing_id: Mapped[int | None]  # what was posted; no reference: both go in their own time


class IndexBuild(Base):
    """One build of a collection's index, running or over, in numbers."""

    __tablename__ = "index_builds"

    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[str] = mapped_column(String(100), index=True)
    generation: Mapped[str | None] = mapped_column(String(100))
    guild_id: Mapped[int | None] = mapped_column(BigInteger)
    requested_by: Mapped[int | None] = mapped_column(BigInteger)
    started_at: Mapped[datetime] = mapped_column(default=utcnow)
    finished_at: Mapped[datetime | None]
    state: Mapped[BuildState] = mapped_column(default=BuildState.RUNNING)
    photos: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    unreadable: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    error: Mapped[str | None] = mapped_column(String(ERROR_LENGTH))
