"""Who may change a server's photos, and which collection is the server's own."""

from __future__ import annotations

from typing import Any

import discord
import structlog
from discord import app_commands

from bot.errors import UserError
from bot.store import server_settings

log = structlog.get_logger(__name__)

_OWN = "server-"


def own_collection(guild_id: int) -> str:
    """Return the name of a server's own collection: the only one that its moderators change."""
    return f"{_OWN}{guild_id}"


def own_here(interaction: discord.Interaction[Any]) -> str:
    """Return the name of the own collection of the server in which something was asked.

    Raises:
        NoPrivateMessage: this is no server.
    """
    if interaction.guild_id is None:
        raise app_commands.NoPrivateMessage
    return own_collection(interaction.guild_id)


def is_own(collection: str) -> bool:
    """Say whether a collection is some server's own, and not one that the host publishes."""
    return collection.startswith(_OWN)


async def require(interaction: discord.Interaction[Any]) -> int:
    """Return the server's id if the person is one of its moderators.

    Asked again at every tap: rights may have been taken since a panel was opened.

    Raises:
        NoPrivateMessage: this is no server.
        MissingPermissions: they may not manage the server, nor have the role that stands for it.
    """
    if interaction.guild_id is None:
        raise app_commands.NoPrivateMessage
    if await is_moderator(interaction):
        return interaction.guild_id
    command = interaction.command.qualified_name if interaction.command else "a button"
    log.warning("refused", guild=interaction.guild_id, asked_for=command)
    raise app_commands.MissingPermissions(["manage_guild"])


async def require_own(interaction: discord.Interaction[Any], collection: str) -> None:
    """Make sure that the person is a moderator of the server whose collection it is.

    A panel carries its collection, and this is asked when something in it is tapped.

    Raises:
        MissingPermissions, NoPrivateMessage: they are none.
        UserError: it is another server's.
    """
    guild_id = await require(interaction)
    if collection != own_collection(guild_id):
        log.warning("refused", guild=guild_id, asked_for=collection)
        raise UserError("These photos are not this server's, so they cannot be changed here.")


async def is_moderator(interaction: discord.Interaction[Any]) -> bool:
    """Say whether the person may manage the server, or has the role that stands for it."""
    if interaction.guild_id is None:
        return False
    if interaction.permissions.manage_guild:
        return True
    async with interaction.client.store.read() as session:
        settings = await server_settings.get(session, interaction.guild_id)
    role = settings.moderator_role_id
    roles = interaction.user.roles if isinstance(interaction.user, discord.Member) else ()
    return role is not None and any(has.id == role for has in roles)


async def allowed(interaction: discord.Interaction[Any]) -> bool:
    """Let moderators through, as a check of a command; raises what :func:`require` does."""
    await require(interaction)
    return True


only = app_commands.check(allowed)
