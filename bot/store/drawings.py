"""Drawings and what was found for them: recording, and loading the card that shows them.

The bytes of a drawing are in `files`; what people say of a photo is in `votes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from bot.store import votes
from bot.store.models import Drawing, DrawingSource, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResult:
    """A photo found for a drawing; its rank is its place in the sequence."""

    photo_id: str  # SHA-256 of the photo, hex
    collection: str
    title: str
    credit: str
    score: float
    generation: str
    encoder: str


@dataclass(frozen=True, slots=True)
class StoredCard:
    """All that a result card shows."""

    drawing: Drawing
    results: Sequence[Result]  # in rank order
    tallies: dict[int, votes.Tally]  # by result id


async def record(
    session: AsyncSession,
    *,
    sha256: str,
    author_id: int,
    guild_id: int | None,
    channel_id: int,
    source: DrawingSource | str,
    content_type: str,
    size_bytes: int,
    results: Sequence[NewResult],
    strokes: dict[str, Any] | None = None,
) -> Drawing:
    """Keep a drawing and its results, best first; return it with all ids and its results."""
    drawing = Drawing(
        sha256=sha256,
        author_id=author_id,
        guild_id=guild_id,
        channel_id=channel_id,
        source=DrawingSource(source),
        content_type=content_type,
        size_bytes=size_bytes,
        strokes=strokes,
        results=[
            Result(
                rank=rank,
                photo_id=result.photo_id,
                collection=result.collection,
                title=result.title,
                credit=result.credit,
                score=result.score,
                generation=result.generation,
                encoder=result.encoder,
            )
            for rank, result in enumerate(results, start=1)
        ],
    )
    session.add(drawing)
    await session.flush()
    return drawing


async def load_card(session: AsyncSession, drawing_id: int) -> StoredCard | None:
    """Return the card of a drawing, None when the drawing is gone."""
    query = select(Drawing).where(Drawing.id == drawing_id).options(selectinload(Drawing.results))
    drawing = await session.scalar(query)
    if drawing is None:
        return None
    results = tuple(drawing.results)
    return StoredCard(drawing, results, await votes.tallies(session, [r.id for r in results]))


async def card_for_result(session: AsyncSession, result_id: int) -> StoredCard | None:
    """Return the card that a result is on, None when the result is gone."""
    drawing_id = await session.scalar(select(Result.drawing_id).where(Result.id == result_id))
    return None if drawing_id is None else await load_card(session, drawing_id)


async def attach_card(
    session: AsyncSession, drawing_id: int, channel_id: int, message_id: int
) -> None:
    """Remember the message that shows a drawing's results; nothing happens if it is gone."""
    await session.execute(
        update(Drawing)
        .where(Drawing.id == drawing_id)
        .values(card_channel_id=channel_id, card_message_id=message_id)
    )


async def forget(session: AsyncSession, drawing_id: int) -> str | None:
    """Delete a drawing and its results; returns the hash of its file if no other drawing has it."""
    deleted = delete(Drawing).where(Drawing.id == drawing_id).returning(Drawing.sha256)
    sha256 = await session.scalar(deleted)
    if sha256 is None or await session.scalar(select(exists().where(Drawing.sha256 == sha256))):
        return None
    return sha256
