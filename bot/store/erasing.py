"""Deleting for good: drawings and all that hangs on them, and every trace of a person.

Rows only. The files of drawings, the messages in Discord and the photos are the caller's; what is
deleted here is written over in the database's file as well (see `engine`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, undefer

from bot.store.models import (
    AddedPhoto,
    BlockedMember,
    Drawing,
    FailureNote,
    GivenConsent,
    IndexBuild,
    Report,
    Result,
    ServerSettings,
    Vote,
)

# Where somebody is named in a row that stays without them.
_NAMED_ELSEWHERE: tuple[InstrumentedAttribute[int | None], ...] = (
    AddedPhoto.added_by,
    BlockedMember.user_id,
    BlockedMember.blocked_by,
    FailureNote.noted_by,
    IndexBuild.requested_by,
    ServerSettings.updated_by,
)


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What is kept of a person."""

    drawings: Sequence[Drawing]
    votes: Sequence[Vote]
    consents: Sequence[GivenConsent]
    reports: Sequence[Report]
    photos: Sequence[AddedPhoto]


async def of_person(session: AsyncSession, user_id: int, *, strokes: bool = False) -> PersonalData:
    """Return all that is kept of a person's own doing, the strokes of drawings if asked for."""
    drawn = select(Drawing).where(Drawing.author_id == user_id)
    if strokes:
        drawn = drawn.options(undefer(Drawing.strokes))
    return PersonalData(
        (await session.scalars(drawn)).all(),
        (await session.scalars(select(Vote).where(Vote.user_id == user_id))).all(),
        (await session.scalars(select(GivenConsent).where(GivenConsent.user_id == user_id))).all(),
        (await session.scalars(select(Report).where(Report.reporter_id == user_id))).all(),
        (await session.scalars(select(AddedPhoto).where(AddedPhoto.author_id == user_id))).all(),
    )


async def drawings_of_messages(
    session: AsyncSession, message_ids: Collection[int]
) -> Sequence[Drawing]:
    """Return the drawings that were posted with messages."""
    return (await session.scalars(select(Drawing).where(Drawing.message_id.in_(message_ids)))).all()


async def drawings_nobody_voted_on(session: AsyncSession, before: datetime) -> Sequence[Drawing]:
    """Return the drawings from before a time without a single vote."""
    voted = (
        select(Vote.id)
        .join(Result, Result.id == Vote.result_id)
        .where(Result.drawing_id == Drawing.id)
    )
    query = select(Drawing).where(Drawing.created_at < before, ~exists(voted))
    return (await session.scalars(query)).all()


async def cards_deleted(session: AsyncSession, message_ids: Collection[int]) -> None:
    """Forget cards whose messages are gone; drawings and votes stay."""
    await session.execute(
        update(Drawing)
        .where(Drawing.card_message_id.in_(message_ids))
        .values(card_message_id=None, card_channel_id=None)
    )


async def delete_drawings(session: AsyncSession, drawing_ids: Collection[int]) -> None:
    """Delete drawings, their results, votes, notes and reports."""
    await session.execute(delete(Drawing).where(Drawing.id.in_(drawing_ids)))


async def unused(session: AsyncSession, sha256: Collection[str]) -> frozenset[str]:
    """Return those of the drawings' files that no drawing needs any more."""
    used = await session.scalars(select(Drawing.sha256).where(Drawing.sha256.in_(sha256)))
    return frozenset(sha256) - frozenset(used)


async def forget_person(session: AsyncSession, user_id: int) -> Sequence[int]:
    """Delete a person's votes, consents and reports, and their id wherever else it stands.

    Their drawings and photos go before. Returns the results that they had voted on.
    """
    voted = await session.scalars(
        delete(Vote).where(Vote.user_id == user_id).returning(Vote.result_id)
    )
    results = voted.all()
    await session.execute(delete(GivenConsent).where(GivenConsent.user_id == user_id))
    await session.execute(delete(Report).where(Report.reporter_id == user_id))
    for column in _NAMED_ELSEWHERE:
        await session.execute(
            update(column.class_).where(column == user_id).values({column.key: None})
        )
    return results
