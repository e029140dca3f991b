"""From an attachment to its bytes, within limits. The bytes are not looked into here."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath

import aiohttp
import discord

from bot.errors import UserError

MAX_BYTES = 10 * 1024 * 1024
MAX_DRAWINGS = 4
_READ_SECONDS = 15
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


class UploadError(UserError):
    """An attachment that is not even worth reading, or could not be read."""


def looks_like_picture(attachment: discord.Attachment) -> bool:
    """Say whether an attachment claims to be a picture; the worker finds out if it is."""
    if attachment.content_type:
        return attachment.content_type.startswith("image/")
    return PurePosixPath(attachment.filename.lower()).suffix in _SUFFIXES


def check(attachment: discord.Attachment) -> None:
    """Refuse what can be told apart without reading it.

    Raises:
        UploadError: it is no picture or too large.
    """
    if not looks_like_picture(attachment):
        raise UploadError(
            f"**{discord.utils.escape_markdown(attachment.filename)}** is not a picture. "
            "Send it as a PNG, JPEG or WebP file."
        )
    if attachment.size > MAX_BYTES:
        raise UploadError(
            f"That file has {attachment.size / 1e6:.0f} MB; I take up to "
            f"{MAX_BYTES // 2**20} MB. Save it smaller, or send a screenshot of it."
        )


async def read(attachment: discord.Attachment) -> bytes:
    """Return an attachment's bytes.

    Raises:
        UploadError: it is refused by :func:`check`, or Discord did not hand it out.
    """
    check(attachment)
    try:
        async with asyncio.timeout(_READ_SECONDS):
            return await attachment.read()
    except (TimeoutError, discord.HTTPException, aiohttp.ClientError) as error:
        raise UploadError(
            "I could not fetch that file from Discord. Please send it once more."
        ) from error
