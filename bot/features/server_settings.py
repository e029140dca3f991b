"""/settings: a panel on which moderators choose how the bot behaves in their server."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import server_settings
from bot.ui.safe import SafeLayoutView

_NO_INTENT = (
    "⚠️ I cannot see pictures in a channel yet: the **Message Content** intent is off. The host can "
    "switch it on in the Discord developer portal (Bot → Privileged Gateway Intents) and restart "
    "me. Until then use `/match`, *Find photos*, or mention me."
)
_NEEDED = discord.Permissions(view_channel=True, send_messages=True, attach_files=True)


class ServerSettings(commands.Cog):
    """Shows the panel."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot

    @app_commands.command(description="Choose how I behave in this server.")
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.checks.has_permissions(manage_guild=True)
    async def settings(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show the panel to the moderator alone."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await interaction.edit_original_response(view=await _panel(interaction))


async def _panel(interaction: discord.Interaction[MagicPencil], note: str = "") -> SettingsPanel:
    if interaction.guild_id is None:
        raise app_commands.NoPrivateMessage
    async with interaction.client.store.read() as session:
        settings = await server_settings.get(session, interaction.guild_id)
    granted = interaction.client.intents.message_content
    return SettingsPanel(settings.drawing_channel_id, "" if granted else _NO_INTENT, note)


class SettingsPanel(SafeLayoutView):
    """The panel: what is set now, and the menus to change it."""

    def __init__(self, drawing_channel: int | None, warning: str, note: str) -> None:
        """Lay out the panel."""
        super().__init__(timeout=600)
        container: discord.ui.Container[SettingsPanel] = discord.ui.Container()
        now = f"<#{drawing_channel}>" if drawing_channel else "none"
        container.add_item(
            discord.ui.TextDisplay(
                f"### Drawing channel\nEvery drawing posted there is answered. Now: {now}"
            )
        )
        if warning:
            container.add_item(discord.ui.TextDisplay(warning))
        row: discord.ui.ActionRow[SettingsPanel] = discord.ui.ActionRow(
            _DrawingChannelSelect(drawing_channel)
        )
        container.add_item(row)
        if note:
            container.add_item(discord.ui.TextDisplay(note))
        self.add_item(container)


class _DrawingChannelSelect(discord.ui.ChannelSelect[SettingsPanel]):
    """Choose the drawing channel, or none."""

    def __init__(self, chosen: int | None) -> None:
        kind = discord.SelectDefaultValueType.channel
        super().__init__(
            channel_types=[discord.ChannelType.text],
            placeholder="Choose a channel; choose nothing for none",
            min_values=0,
            max_values=1,
            default_values=[discord.SelectDefaultValue(id=chosen, type=kind)] if chosen else [],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Store the choice and say what came of it."""
        _require_manager(interaction)
        guild_id = interaction.guild_id
        if guild_id is None:
            raise app_commands.NoPrivateMessage
        await interaction.response.defer()
        channel = self.values[0].resolve() if self.values else None
        if self.values and channel is None:
            raise UserError("I cannot see that channel. Give me *View Channel* there first.")
        channel_id = channel.id if channel else None
        async with interaction.client.store.write() as session:
            await server_settings.set_drawing_channel(
                session, guild_id, channel_id, interaction.user.id
            )
        await interaction.edit_original_response(
            view=await _panel(interaction, _note(interaction, channel))
        )


def _require_manager(interaction: discord.Interaction[Any]) -> None:
    """Check again at the tap: rights may have been taken since the panel was opened."""
    if not interaction.permissions.manage_guild:
        raise app_commands.MissingPermissions(["manage_guild"])


def _note(interaction: discord.Interaction[Any], channel: Any) -> str:
    if channel is None:
        return "✅ Saved: there is no drawing channel."
    missing = []
    if interaction.guild is not None:
        mine = channel.permissions_for(interaction.guild.me)
        missing = [name for name, wanted in _NEEDED if wanted and not getattr(mine, name)]
    if missing:
        names = ", ".join(f"*{name.replace('_', ' ').title()}*" for name in missing)
        return f"⚠️ Saved, but I still need {names} in <#{channel.id}>."
    return f"✅ Saved: I answer every drawing in <#{channel.id}>."


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(ServerSettings(bot))
