"""Keeps the hall of fame channels: posts what passes the threshold, edits tallies, takes down.

Votes come in bursts, so what they touch is looked at together, a few seconds later. Everything is
decided from the votes as they are then; what was posted is remembered, and what was forgotten half
way (a crash, a missing permission) is looked at again at the next vote or start.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any

import discord
import structlog

from bot import exhibits, places
from bot.app import MagicPencil
from bot.store import hall_posts, server_settings, standings
from bot.store.models import HallPost, utcnow
from bot.store.standings import Entry
from retrieval.serving.errors import RetrievalError

log = structlog.get_logger(__name__)

_PAUSE = 2.0  # seconds in which votes are gathered


class HallPosts:
    """Looks at the results that votes have touched."""

    def __init__(self, bot: MagicPencil) -> None:
        """Begin with nothing to look at."""
        self._bot = bot
        self._touched: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def touch(self, result_id: int) -> None:
        """Look at a result soon: votes on it have changed."""
        self._touched.add(result_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_soon(), name="hall of fame")

    async def stop(self) -> None:
        """Leave what was not looked at to the next vote."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _look_soon(self) -> None:
        await asyncio.sleep(_PAUSE)
        await self.take_down()
        while self._touched:  # also what is touched meanwhile
            result_id = self._touched.pop()
            try:
                await self.look(result_id)
            except (discord.HTTPException, RetrievalError) as error:
                log.warning("hall of fame not kept", result=result_id, reason=str(error))

    async def look(self, result_id: int) -> None:
        """Post a result, edit its post, or leave it."""
        async with self._bot.store.read() as session:
            entry = await standings.entry(session, result_id)
            if entry is None or entry.drawing.guild_id is None:
                return
            chosen = await server_settings.get(session, entry.drawing.guild_id)
            post = await hall_posts.of_result(session, result_id)
        needed = chosen.hall_of_fame_votes or hall_posts.VOTES
        if post is not None and not post.removed:
            await self._edit(entry, post)
        elif post is None and max(entry.counts.good, entry.counts.funny) >= needed:
            channel = self._hall(entry, chosen.hall_of_fame_channel_id)
            if channel is not None:
                await self._post(entry, channel)

    def _hall(self, entry: Entry, channel_id: int | None) -> Any:
        guild = self._bot.get_guild(entry.drawing.guild_id or 0)
        channel = guild.get_channel(channel_id) if guild and channel_id else None
        if guild is None or channel is None or entry.drawing.card_message_id is None:
            return None
        return channel if places.may_go(guild, entry.drawing, channel) else None

    async def _post(self, entry: Entry, channel: Any) -> None:
        files = await exhibits.pictures(self._bot, entry.drawing, entry.result.photo_id)
        text = await self._text(entry)
        guild_id = channel.guild.id
        post = HallPost(
            result_id=entry.result.id,
            guild_id=guild_id,
            channel_id=channel.id,
            removed=False,
            shown=_digest(text),
            created_at=utcnow(),
        )
        async with self._bot.store.write() as session:
            session.add(post)  # first: whoever else looks now finds it
        try:
            names = [file.filename for file in files]
            message = await channel.send(view=PostView(entry, text, names), files=files)
        except discord.HTTPException:
            async with self._bot.store.write() as session:
                await hall_posts.forget(session, [post.id])
            raise
        post.message_id = message.id
        async with self._bot.store.write() as session:
            await hall_posts.save(session, post)
        log.info("posted to the hall of fame", guild=guild_id, result=entry.result.id)

    async def _edit(self, entry: Entry, post: HallPost) -> None:
        text = await self._text(entry)
        if _digest(text) == post.shown or post.message_id is None:
            return
        channel = self._bot.get_partial_messageable(post.channel_id)
        with contextlib.suppress(discord.NotFound):
            message = await channel.fetch_message(post.message_id)
            names = [attachment.filename for attachment in message.attachments]
            await message.edit(view=PostView(entry, text, names))
        post.shown = _digest(text)
        async with self._bot.store.write() as session:
            await hall_posts.save(session, post)

    async def _text(self, entry: Entry) -> str:
        artist = await exhibits.artist_of(self._bot, entry.drawing)
        return exhibits.about(entry.drawing, entry.result, entry.counts, artist)

    async def take_down(self) -> None:
        """Delete the posts whose result or card is gone."""
        async with self._bot.store.read() as session:
            orphans = await hall_posts.orphans(session)
        for post in orphans:
            if post.message_id is not None:
                channel = self._bot.get_partial_messageable(post.channel_id)
                try:
                    await channel.get_partial_message(post.message_id).delete()
                except discord.NotFound:
                    pass
                except discord.HTTPException as error:
                    log.warning("post not taken down", guild=post.guild_id, status=error.status)
                    continue
            async with self._bot.store.write() as session:
                await hall_posts.forget(session, [post.id])


def _digest(text: str) -> str:
    """Tell texts apart without keeping the names in them."""
    return hashlib.sha256(text.encode()).hexdigest()


class PostView(discord.ui.LayoutView):
    """One post: drawing and photo, its votes, its artist, the way to its card."""

    def __init__(self, entry: Entry, text: str, names: Sequence[str]) -> None:
        """Lay out a post of attached pictures."""
        super().__init__(timeout=None)
        container: discord.ui.Container[PostView] = discord.ui.Container(accent_colour=0xF2B134)
        if names:
            container.add_item(exhibits.gallery(names, entry.result.title))
        container.add_item(discord.ui.TextDisplay(text))
        self.add_item(container)
        self.stop()
