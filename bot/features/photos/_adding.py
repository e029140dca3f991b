"""From pictures in Discord to photos in a collection, and what to say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import discord
import structlog

from bot import errors, uploads
from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import added_photos
from bot.store.models import AddedPhoto
from retrieval.reports import BuildReport
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import AddPhoto

log = structlog.get_logger(__name__)

MAX_TEXT = 200
_FAILURES_SHOWN = 5
_ALIKE_SHOWN = 5
_NAMES_SHOWN = 10
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Origin:
    """Who posted a picture, and in which message, if it was one."""

    author_id: int
    author: str
    message: discord.Message | None = None


@dataclass(slots=True)
class Added:
    """What came of adding pictures."""

    new: dict[str, str] = field(default_factory=dict)  # titles by photo id
    known: int = 0
    failed: list[str] = field(default_factory=list)

    def outcome(self, report: BuildReport | None) -> str:
        """Say it, with what the index that was built afterwards found out."""
        lines = []
        if self.new:
            shown = list(self.new.values())[:_NAMES_SHOWN]
            names = ", ".join(f"**{_short(title)}**" for title in shown)
            if len(self.new) > _NAMES_SHOWN:
                names += f" and {len(self.new) - _NAMES_SHOWN:,} more"
            they = "It" if len(self.new) == 1 else "They"
            lines.append(f"✅ {len(self.new):,} new: {names}. {they} can be found now.")
        if self.known:
            lines.append(f"{self.known:,} {'was' if self.known == 1 else 'were'} here already.")
        lines += [f"⚠️ {failure}" for failure in self.failed[:_FAILURES_SHOWN]]
        if len(self.failed) > _FAILURES_SHOWN:
            lines.append(f"⚠️ and {len(self.failed) - _FAILURES_SHOWN} more that I could not take")
        alike = report.near_duplicates if report else ()
        if alike:
            lines.append("**Nearly the same picture twice?** Nothing was dropped; you decide.")
            lines += [
                f"- {_short(pair.title)} · {_short(pair.like_title)}"
                for pair in alike[:_ALIKE_SHOWN]
            ]
            lines.append("-# `/photos list` shows them; remove the one that you do not want.")
        return "\n".join(lines) or "There was no picture in it."


def _short(name: str) -> str:
    return discord.utils.escape_markdown(name[:_LONGEST_NAME])


async def add(
    bot: MagicPencil,
    collection: str,
    attachments: Iterable[discord.Attachment],
    origin: Origin,
    by: int,
    about: tuple[str, str] = ("", ""),
) -> Added:
    """Keep pictures; one that cannot be taken does not keep out the others.

    Args:
        bot: the bot.
        collection: a server's own.
        attachments: the pictures.
        origin: whose they are.
        by: the moderator's id.
        about: title and credit; without them the file's name and the author's.
    """
    added = Added()
    for number, attachment in enumerate(attachments):
        title, credit = _describe(attachment, origin, about, number)
        try:
            data = await uploads.read(attachment)
            kept = await bot.retrieval.add_photo(AddPhoto(collection, data, title, credit))
        except (UserError, RetrievalError) as error:
            name, reason = _short(attachment.filename), errors.explain(error).text
            added.failed.append(reason if name in reason else f"**{name}**: {reason}")
            continue
        message = origin.message
        async with bot.store.write() as session:
            await added_photos.record(
                session,
                AddedPhoto(
                    collection=collection,
                    photo_id=kept.photo_id,
                    author_id=origin.author_id,
                    added_by=by,
                    channel_id=message.channel.id if message else None,
                    message_id=message.id if message else None,
                    attachment_id=attachment.id if message else None,
                ),
            )
        if kept.new:
            added.new[kept.photo_id] = title
        else:
            added.known += 1
    log.info("photos added", collection=collection, new=len(added.new), failed=len(added.failed))
    return added


def _describe(
    attachment: discord.Attachment, origin: Origin, about: tuple[str, str], number: int
) -> tuple[str, str]:
    title, credit = about
    if title and number:
        title = f"{title} ({number + 1})"
    if not title:
        words = attachment.description or attachment.filename.rpartition(".")[0]
        title = " ".join(words.replace("_", " ").replace("-", " ").split()) or "Untitled"
        title = title[:1].upper() + title[1:]
    if not credit:
        link = f" · {origin.message.jump_url}" if origin.message else ""
        credit = f"{origin.author}{link}"
    return title[:MAX_TEXT], credit[:MAX_TEXT]
