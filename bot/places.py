"""Which drawings may be shown at a place: nothing goes from where few see it to where many do."""

from __future__ import annotations

from typing import Any

import discord

from bot.store.models import Drawing
from bot.store.standings import Shown


def shown_in(guild: discord.Guild, here: Any) -> Shown:
    """Return which drawings of a server may be shown in one of its channels.

    Those of the channel itself, and of channels that everybody may read; of age-restricted ones
    only where there is such a limit too.
    """
    restricted = is_age_restricted(here)
    channels = {
        channel.id
        for channel in (*guild.text_channels, *guild.threads, *guild.voice_channels)
        if _open_to_all(guild, channel) and (restricted or not is_age_restricted(channel))
    }
    return Shown(channels | {here.id}, age_restricted=restricted)


def may_go(guild: discord.Guild, drawing: Drawing, here: Any) -> bool:
    """Say whether one drawing may be shown in a channel."""
    shown = shown_in(guild, here)
    return drawing.channel_id in shown.channels and (
        shown.age_restricted or not drawing.age_restricted
    )


def is_age_restricted(channel: Any) -> bool:
    """Say whether a channel has an age limit; one that cannot tell has none."""
    ask = getattr(channel, "is_nsfw", None)
    return bool(ask()) if ask is not None else False


def _open_to_all(guild: discord.Guild, channel: Any) -> bool:
    if isinstance(channel, discord.Thread) and channel.is_private():
        return False
    parent = channel.parent if isinstance(channel, discord.Thread) else channel
    if parent is None:
        return False
    allowed = parent.permissions_for(guild.default_role)
    return bool(allowed.view_channel and allowed.read_message_history)
