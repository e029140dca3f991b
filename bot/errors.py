"""The one place where an exception becomes what a person reads.

``explain`` finds the sentence. ``tell`` and ``tell_author`` bring it to the person and to nobody
else, by whatever way is still open. What nobody foresaw is logged under an id, and the person gets
the id.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

import aiohttp
import discord
import structlog
from discord import app_commands

from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import FailureCode

log = structlog.get_logger(__name__)

_PUBLIC_NOTE_SECONDS = 30
_UNKNOWN_INTERACTION = 10062
# Discord says no, or cannot be asked.
_OUT_OF_REACH = (discord.HTTPException, aiohttp.ClientError, OSError)


class UserError(Exception):
    """Something a person can mend; the message tells them how."""


_RETRIEVAL: dict[FailureCode, str] = {
    "not_an_image": "I cannot read that as a picture. Send it as a PNG, JPEG or WebP file.",
    "animated": "That picture moves. Send a still one: a single frame, or a screenshot of it.",
    "too_large": "That picture has too many pixels for me. Save it smaller (4,000 pixels a side "
    "is plenty) and send it again.",
    "damaged": "That file is damaged or was cut off on its way. Save it again and resend it.",
    "empty": "That file is empty. Check that the drawing was saved, and send it again.",
    "blank": "I see nothing drawn there. Use a darker or thicker pen and send it again.",
    "photo": "That looks like a photo to me, and I look for photos by drawings. Draw what you are "
    "looking for, roughly is fine, or crop your picture to the drawing and send it again.",
    "text": "That looks like a page of writing. I know pictures, not words: draw what you mean, or "
    "crop your picture to the drawing and send it again.",
    "noise": "I see only noise there. If it is a photo of a drawing, take it again in better light "
    "and from nearer by.",
    "no_index": "There are no photos to search yet. A moderator can add some with `/photos add`, "
    "the host with `magic-pencil index build FOLDER`.",
    "other_encoder": "The photos were indexed by another encoder. A moderator can mend that with "
    "`/index rebuild`, the host with `magic-pencil index build FOLDER`.",
    "bad_index": "The photo index is damaged. A moderator can mend that with `/index rebuild`, the "
    "host with `magic-pencil index build FOLDER`.",
    "expired": "That took too long, so I gave up. Please try again in a minute.",
    "build_running": "These photos are being indexed already. Watch it with `/index status`.",
    "no_photos": "There is nothing to index: the photo folder is missing, empty, or holds no "
    "picture that I can read. The host can look at it with `magic-pencil index status`.",
    "unknown_collection": "There are no photos here yet. `/photos add` takes the first.",
    "build_cancelled": "The rebuild was cancelled, as somebody asked.",
    "no_build": "No rebuild is running, so there is nothing to stop.",
    "bad_descriptions": "The table of photos (photos.csv) cannot be read. The host sees why with "
    "`magic-pencil index build`.",
    "not_yours": "These photos are in a folder of the host's, so they cannot be changed here.",
    "unknown_photo": "There is no such photo. Choose one from the list that appears as you type.",
    "no_cells": "My encoder of today compares pictures as wholes, so I cannot say which parts of "
    "them agree.",
    "unknown_generation": "That state of the index is not kept any more, or is damaged. "
    "`/index verify` says more.",
    "protocol": "The worker is of another version than I am. The host should restart both.",
    "worker_gone": "The part of me that looks at drawings just stopped. It is starting again: "
    "please try once more in a few seconds.",
    "crashed_twice": "This drawing stopped me twice, so I will not try it again. Save it in "
    "another format, or draw it anew.",
}

_DISCORD_REFUSED = (
    "Discord refused my upload, so I cannot show you the result. Please try again in a minute; "
    "if it goes on, a moderator should check that I may attach files here."
)
_NO_ACCESS = (
    "I am not allowed to do that here. A moderator can give me *View Channel*, *Send Messages* and "
    "*Attach Files* in this channel."
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads, and the id under which the log has the rest, if it was our fault."""

    text: str
    incident: str | None = None


def explain(error: BaseException) -> Explanation:
    """Find the sentence for an error; one that has none is logged, with an id."""
    while isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    text = sentence(error)
    if text is not None:
        return Explanation(text)
    incident = error.detail if isinstance(error, RetrievalError) else secrets.token_hex(4)
    log.error("unexpected error", incident=incident, exc_info=error)
    return Explanation(
        f"Something went wrong that should not have. If you tell a moderator, give them this: "
        f"`{incident}`.",
        incident,
    )


def sentence(error: BaseException) -> str | None:
    """Return what a person reads about an error that was foreseen, None for any other."""
    match error:
        case UserError():
            return str(error)
        case RetrievalError(code="busy"):
            wait = f"{error.retry_after:.0f} seconds" if error.retry_after else "a moment"
            return f"Many drawings came at once. Please try again in {wait}."
        case RetrievalError():
            return _RETRIEVAL.get(error.code)
        case app_commands.MissingPermissions():
            missing = ", ".join(
                f"*{name.replace('_', ' ').replace('guild', 'server').title()}*"
                for name in error.missing_permissions
            )
            return f"This is for moderators: you need {missing}."
        case app_commands.NoPrivateMessage():
            return "This works in a server only."
        case app_commands.CommandOnCooldown():
            return f"Please wait {error.retry_after:.0f} seconds."
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return "This command has just changed. Please try again in a minute."
        case discord.HTTPException(status=413):
            return _DISCORD_REFUSED
        case discord.Forbidden():
            return _NO_ACCESS
        case discord.HTTPException() | discord.DiscordServerError():
            return _DISCORD_REFUSED
    return None


async def tell(interaction: discord.Interaction, error: BaseException) -> None:
    """Tell the person behind an interaction, and only them, what went wrong.

    Never raises: if Discord does not take it, that is logged.
    """
    text = explain(error).text
    response = interaction.response
    try:
        if not response.is_done():
            await response.send_message(text, ephemeral=True)
            return
        if response.type is discord.InteractionResponseType.deferred_channel_message:
            message = await interaction.original_response()
            if message.flags.ephemeral:
                await interaction.edit_original_response(content=text)
                return
            if message.flags.loading:
                # "thinking…" is for all to see, and what is sent next takes its place and is as
                # public (discord-api-docs#2866). So it is finished, and goes once they know.
                await interaction.edit_original_response(content="✏️")
                try:
                    await interaction.followup.send(text, ephemeral=True)
                finally:
                    await interaction.delete_original_response()
                return
        await interaction.followup.send(text, ephemeral=True)
    except _OUT_OF_REACH as refusal:
        if getattr(refusal, "code", None) != _UNKNOWN_INTERACTION:
            log.warning("could not tell a person what went wrong", reason=type(refusal).__name__)


async def tell_author(message: discord.Message, error: BaseException) -> None:
    """Tell the author of a message what went wrong: in private, or briefly where they posted.

    Never raises.
    """
    text = explain(error).text
    try:
        where = f" (about {message.jump_url})" if message.guild else ""
        await message.author.send(text + where)
    except _OUT_OF_REACH:
        # Their direct messages are closed.
        with contextlib.suppress(*_OUT_OF_REACH):
            await message.reply(text, delete_after=_PUBLIC_NOTE_SECONDS, mention_author=True)
