"""From a drawing's bytes to a result card that is ready to be sent. Knows no interaction."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from typing import Any

import discord
import structlog

from bot import uploads
from bot.app import MagicPencil
from bot.blocking import refuse_blocked
from bot.store import drawings
from bot.store.drawings import NewResult, StoredCard
from bot.store.models import DrawingSource, VoteKind
from bot.ui.result_card import DRAWING_FILE, ResultCard, in_words, photo_file
from retrieval.serving.messages import Matches

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as it came: its bytes, what they are said to be, its strokes where it has any."""

    data: bytes
    content_type: str | None
    strokes: dict[str, Any] | None = None

    @classmethod
    async def of(cls, attachment: discord.Attachment) -> Picture:
        """Fetch a picture that was posted.

        Raises:
            UploadError: the attachment cannot be a drawing, or could not be fetched.
        """
        return cls(await uploads.read(attachment), attachment.content_type)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who posted a drawing, where, and by which way.

    ``message_id`` is of the message that it was posted with, and takes it along when it is deleted.
    """

    author_id: int
    guild_id: int | None
    channel_id: int
    source: DrawingSource
    age_restricted: bool
    message_id: int | None = None

    @property
    def by_the_artist(self) -> bool:
        """Whether whoever drew it asked for the answer."""
        return self.source is not DrawingSource.MESSAGE_COMMAND


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored result, ready to be shown."""

    drawing_id: int
    card: ResultCard
    files: list[discord.File]
    stored: StoredCard
    matches: Matches


async def match(bot: MagicPencil, data: bytes, guild_id: int | None) -> Matches:
    """Find what looks most like a drawing among the photos of a server, or of nobody's.

    Raises:
        RetrievalError: the worker has no answer.
    """
    async with bot.store.read() as session:
        collections = await bot.collections_of(session, guild_id)
    return await bot.retrieval.match(
        data, collections, bot.settings.matches, bot.settings.match_seconds
    )


async def answer(bot: MagicPencil, picture: Picture, origin: Origin) -> Answer:
    """Match one drawing, keep it and its results, and make its card.

    Raises:
        RetrievalError: the worker has no answer.
        UserError: its artist is blocked.
    """
    await refuse_blocked(bot, origin.guild_id, origin.author_id, asker=origin.by_the_artist)
    matches = await match(bot, picture.data, origin.guild_id)
    sha256 = await asyncio.to_thread(bot.drawing_files.save, picture.data)
    async with bot.store.write() as session:
        drawing = await drawings.record(
            session,
            sha256=sha256,
            author_id=origin.author_id,
            guild_id=origin.guild_id,
            channel_id=origin.channel_id,
            source=origin.source,
            content_type=(picture.content_type or "application/octet-stream")[:64],
            size_bytes=len(picture.data),
            results=_new_results(matches),
            strokes=picture.strokes,
            message_id=origin.message_id,
            age_restricted=origin.age_restricted,
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
    return Answer(drawing.id, shown_card, _files(matches), card, matches)


async def remember(bot: MagicPencil, ready: Answer, message: discord.Message) -> None:
    """Keep which message shows an answer."""
    async with bot.store.write() as session:
        await drawings.attach_card(session, ready.drawing_id, message.channel.id, message.id)


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
