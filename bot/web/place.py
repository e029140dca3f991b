"""The channel that a link leads back to, if the person and the bot may still post there."""

from __future__ import annotations

import discord

from bot.app import MagicPencil
from bot.blocking import refuse_blocked
from bot.errors import UserError
from bot.links import Link

_GONE = "The channel of this link is gone, or I cannot see it any more."


async def find(bot: MagicPencil, link: Link) -> discord.abc.Messageable:
    """Return the channel, having looked at today's permissions.

    Raises:
        UserError: it is gone, one of the two may not post there, or the person is blocked.
    """
    if not bot.is_ready():
        raise UserError("I am just starting. Please try again in a few seconds.")
    if link.guild_id is None:
        return bot.get_partial_messageable(link.channel_id)
    guild = bot.get_guild(link.guild_id)
    if guild is None:
        raise UserError("I am not in that server any more.")
    channel = guild.get_channel_or_thread(link.channel_id) or await _fetch(guild, link.channel_id)
    if not isinstance(channel, discord.abc.Messageable):
        raise UserError(_GONE)
    if not _may_post(channel, guild.me):
        raise UserError(
            f"I may not post pictures in #{channel.name} any more. A moderator can give me *View "
            "Channel*, *Send Messages* and *Attach Files* there."
        )
    try:
        member = await guild.fetch_member(link.user_id)
    except discord.NotFound:
        raise UserError("You are not in that server any more.") from None
    await refuse_blocked(bot, link.guild_id, link.user_id)
    if not _may_post(channel, member):
        raise UserError(f"You may not post pictures in #{channel.name} any more.")
    return channel


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


def _may_post(channel: discord.abc.GuildChannel | discord.Thread, member: discord.Member) -> bool:
    may = channel.permissions_for(member)
    threads = isinstance(channel, discord.Thread)
    send = may.send_messages_in_threads if threads else may.send_messages
    return may.view_channel and send and may.attach_files
