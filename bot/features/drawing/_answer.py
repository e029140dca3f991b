"""From an attachment to a result card that is ready to be sent. Knows no interaction."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass

import discord
import structlog

from bot import uploads
from bot.app import MagicPencil
from bot.store import drawings
from bot.store.drawings import NewResult, StoredCard
from bot.store.models import DrawingSource, VoteKind
from bot.ui.result_card import DRAWING_FILE, ResultCard, in_words, photo_file
from retrieval.serving.messages import Matches

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who posted a drawing, where, and by which way."""

    author_id: int
    guild_id: int | None
    channel_id: int
    source: DrawingSource


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored result, ready to be shown."""

    drawing_id: int
    card: ResultCard
    files: list[discord.File]


async def answer(bot: MagicPencil, attachment: discord.Attachment, origin: Origin) -> Answer:
    """Match one drawing, keep it and its results, and make its card.

    Raises:
        UploadError: the attachment cannot be a drawing, or could not be fetched.
        RetrievalError: the worker has no answer.
    """
    data = await uploads.read(attachment)
    async with bot.store.read() as session:
        collections = await bot.collections_of(session, origin.guild_id)
    matches = await bot.retrieval.match(
        data, collections, bot.settings.matches, bot.settings.match_seconds
    )
    sha256 = await asyncio.to_thread(bot.drawing_files.save, data)
    async with bot.store.write() as session:
        drawing = await drawings.record(
            session,
            sha256=sha256,
            author_id=origin.author_id,
            guild_id=origin.guild_id,
            channel_id=origin.channel_id,
            source=origin.source,
            content_type=(attachment.content_type or "application/octet-stream")[:64],
            size_bytes=len(data),
            results=_new_results(matches),
        )
        no_votes = {result.id: dict.fromkeys(VoteKind, 0) for result in drawing.results}
        card = StoredCard(drawing, tuple(drawing.results), no_votes)
    log.info(
        "drawing answered",
        drawing=drawing.id,
        guild=origin.guild_id,
        generation=matches.generation,
        **matches.timings_ms,
    )
    shown = frozenset(match.rank for match in matches.matches if match.thumbnail)
    sure = in_words(matches.confidence)
    shown_card = ResultCard(card, with_photos=shown, confidence=sure)
    return Answer(drawing.id, shown_card, _files(matches))


def _new_results(matches: Matches) -> list[NewResult]:
    return [
        NewResult(
            photo_id=match.photo_id,
            collection=match.collection,
            title=match.title,
            credit=match.credit,
            score=match.score,
            generation=matches.generation,
            encoder=matches.encoder,
        )
        for match in matches.matches
    ]


def _files(matches: Matches) -> list[discord.File]:
    photos = [
        discord.File(
            io.BytesIO(match.thumbnail), photo_file(match.rank), description=match.title[:1024]
        )
        for match in matches.matches
        if match.thumbnail
    ]
    drawing = discord.File(io.BytesIO(matches.drawing), DRAWING_FILE, description="The drawing.")
    return [drawing, *photos]
