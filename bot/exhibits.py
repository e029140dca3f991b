"""A drawing beside a photo that was found for it, with its votes, as it is shown anywhere again."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from typing import Any

import discord

from bot.app import MagicPencil
from bot.store import people
from bot.store.models import Consent, Drawing, Result, VoteKind
from bot.store.standings import Counts
from bot.ui.vote_button import FACES

SIDE = 720  # pixels of a drawing
_LONGEST_TITLE = 200
_DRAWING, _PHOTO = "drawing.png", "photo.jpg"


async def pictures(bot: MagicPencil, drawing: Drawing, photo_id: str) -> list[discord.File]:
    """Return the drawing and the photo as files to be attached; what is gone is left out.

    Raises:
        RetrievalError: the worker does not answer.
    """
    try:
        data = await asyncio.to_thread(bot.drawing_files.read, drawing.sha256)
    except FileNotFoundError:
        data = b""
    found = await bot.retrieval.pictures((data,), (photo_id,), SIDE)
    named = ((_DRAWING, found.drawings[0]), (_PHOTO, found.photos[0]))
    return [discord.File(io.BytesIO(content), name) for name, content in named if content]


def gallery(names: Iterable[str], title: str) -> discord.ui.MediaGallery[Any]:
    """Lay the attached pictures of these names side by side."""
    alt = {_DRAWING: "The drawing.", _PHOTO: f"The photo: {title}."[:1024]}
    return discord.ui.MediaGallery(
        *(discord.MediaGalleryItem(f"attachment://{name}", description=alt[name]) for name in names)
    )


def about(drawing: Drawing, result: Result, counts: Counts, artist: str) -> str:
    """Say what was found, what people think of it, whose it is and where its card stands."""
    title = discord.utils.escape_markdown(result.title)[:_LONGEST_TITLE]
    where = card_link(drawing)
    link = f" · [see the card]({where})" if where else ""
    return f"**{title}**\n{tally(counts)}\n-# drawn by {artist}{link}"


def tally(counts: Counts) -> str:
    """Write votes as the buttons' faces with numbers, those nobody gave left out."""
    numbers = {VoteKind.GOOD: counts.good, VoteKind.MISS: counts.miss, VoteKind.FUNNY: counts.funny}
    given = [f"{FACES[kind][0]} {number:,}" for kind, number in numbers.items() if number]
    return " · ".join(given) or "no votes"


def card_link(drawing: Drawing) -> str | None:
    """Return the address of a drawing's card, None where it has none any more."""
    if drawing.card_message_id is None:
        return None
    server = drawing.guild_id or "@me"
    return (
        f"https://discord.com/channels/{server}/{drawing.card_channel_id}/{drawing.card_message_id}"
    )


async def artist_of(bot: MagicPencil, drawing: Drawing) -> str:
    """Name the artist if they agreed to be named."""
    async with bot.store.read() as session:
        agreed = await people.agreed(session, [drawing.author_id], Consent.NAMING)
    return name_of(drawing.author_id, agreed)


def name_of(user_id: int, agreed: frozenset[int]) -> str:
    """Name a person who agreed, and nobody else."""
    return f"<@{user_id}>" if user_id in agreed else "somebody shy"
