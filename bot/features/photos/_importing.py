"""/photos import: walk a channel's history and keep its pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import discord

from bot import uploads
from bot.app import MagicPencil
from bot.features.photos._adding import Added, Origin, add
from bot.store import added_photos
from bot.ui.words import counted

# A photo added by an import is found after so many more at the latest.
_REFRESH_AFTER = 100


@dataclass(slots=True)
class Import:
    """One walk through a channel; ``limit`` counts photos that are new, so the next goes on."""

    bot: MagicPencil
    collection: str
    channel: discord.TextChannel | discord.Thread
    since: datetime | None
    limit: int
    by: int
    added: Added = field(default_factory=Added)
    messages: int = 0
    pictures: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> AsyncIterator[str]:
        """Walk from the oldest message on; says how far it is after each with a picture."""
        history = self.channel.history(limit=None, after=self.since, oldest_first=True)
        unindexed = 0
        async for message in history:
            if self.stop.is_set() or self._full:
                break
            self.messages += 1
            found = [item for item in message.attachments if uploads.looks_like_picture(item)]
            if not found or message.author.bot:
                continue
            self.pictures += len(found)
            before = len(self.added.new)
            await self._take(message, found)
            unindexed += len(self.added.new) - before
            if unindexed >= _REFRESH_AFTER:
                await self.bot.keeper.refresh(self.collection)
                unindexed = 0
            yield self.progress()

    @property
    def _full(self) -> bool:
        return len(self.added.new) >= self.limit

    def summary(self) -> str:
        """Say what was looked at, and why no more, once the walk is over."""
        ended = ""
        if self.stop.is_set():
            ended = " It was stopped."
        elif self._full:
            ended = " That is as many as you asked for; the same command goes on from there."
        return (
            f"📥 Looked through {counted(self.messages, 'message')} of {self.channel.mention} with "
            f"{counted(self.pictures, 'picture')}.{ended}"
        )

    def progress(self) -> str:
        """Say how far the walk is."""
        return (
            f"📥 Looking through {self.channel.mention}: {counted(self.messages, 'message')}, "
            f"{counted(self.pictures, 'picture')}, **{len(self.added.new):,} new**, "
            f"{self.added.known:,} known already"
        )

    async def _take(self, message: discord.Message, found: list[discord.Attachment]) -> None:
        async with self.bot.store.read() as session:
            known = await added_photos.known_attachments(
                session, self.collection, [item.id for item in found]
            )
        left = self.limit - len(self.added.new)
        new = [item for item in found if item.id not in known][:left]
        origin = Origin(message.author.id, message.author.display_name, message)
        taken = await add(self.bot, self.collection, new, origin, self.by)
        self.added.known += len(known) + taken.known
        self.added.new |= taken.new
        self.added.failed += taken.failed
