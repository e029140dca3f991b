"""The channel that a link leads back to, if the person and the bot may still post there."""

from __future__ import annotations

import time

import discord

from bot.app import MagicPencil
from bot.blocking import refuse_blocked
from bot.errors import UserError
from bot.links import Link, may_post
from bot.web.pace import LaterError

_GONE = "The channel of this link is gone, or I cannot see it any more."
_TRUSTED_SECONDS = 60.0


async def find(bot: MagicPencil, link: Link) -> discord.abc.Messageable:
    """Return the channel, having looked at today's permissions.

    Raises:
        UserError: it is gone, one of the two may not post there, or the person is blocked.
    """
    if not bot.is_ready():
        raise LaterError("I am just starting. One moment…", 3.0)
    if link.guild_id is None:
        return bot.get_partial_messageable(link.channel_id)
    guild = bot.get_guild(link.guild_id)
    if guild is None:
        raise UserError("I am not in that server any more.")
    channel = guild.get_channel_or_thread(link.channel_id) or await _fetch(guild, link.channel_id)
    if not isinstance(channel, discord.abc.Messageable):
        raise UserError(_GONE)
    if not _is_open_to(channel, guild.me):
        raise UserError(
            f"I may not post pictures in #{channel.name} any more. A moderator can give me *View "
            "Channel*, *Send Messages* and *Attach Files* there."
        )
    try:
        member = await guild.fetch_member(link.user_id)
    except discord.NotFound:
        raise UserError("You are not in that server any more.") from None
    await refuse_blocked(bot, link.guild_id, link.user_id)
    if not _is_open_to(channel, member) or not await _is_let_in(channel, member):
        raise UserError(f"You may not post pictures in #{channel.name} any more.")
    return channel


class Access:
    """Asks anew, every minute, whether somebody who is at the page may still post."""

    def __init__(self, bot: MagicPencil) -> None:
        """Begin trusting nobody."""
        self._bot = bot
        self._checked: dict[Link, float] = {}

    async def check(self, link: Link) -> None:
        """Make sure of it.

        Raises:
            UserError: as :func:`find`.
        """
        oldest = time.monotonic() - _TRUSTED_SECONDS
        if self._checked.get(link, oldest) > oldest:
            return
        await find(self._bot, link)
        self._checked = {known: when for known, when in self._checked.items() if when > oldest}
        self._checked[link] = time.monotonic()


def name(channel: discord.abc.Messageable) -> str:
    """Return what people call a channel."""
    if isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return f"#{channel.name}"
    return "our direct messages"


async def _fetch(
    guild: discord.Guild, channel_id: int
) -> discord.abc.GuildChannel | discord.Thread:
    try:
        return await guild.fetch_channel(channel_id)
    except (discord.NotFound, discord.Forbidden, discord.InvalidData):
        raise UserError(_GONE) from None


def _is_open_to(channel: discord.abc.GuildChannel | discord.Thread, member: discord.Member) -> bool:
    may = channel.permissions_for(member)
    if isinstance(channel, discord.Thread) and channel.locked and not may.manage_threads:
        return False
    return may_post(may, in_thread=isinstance(channel, discord.Thread))


async def _is_let_in(
    channel: discord.abc.GuildChannel | discord.Thread, member: discord.Member
) -> bool:
    """Say whether somebody is in a private thread, of which permissions say nothing."""
    if not isinstance(channel, discord.Thread) or not channel.is_private():
        return True
    if channel.permissions_for(member).manage_threads:
        return True
    try:
        await channel.fetch_member(member.id)
    except discord.NotFound:
        return False
    return True
