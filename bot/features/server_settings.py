"""/settings: a panel on which moderators choose how the bot behaves in their server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import moderators
from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import server_settings
from bot.store.hall_posts import VOTES as HALL_VOTES
from bot.store.models import ServerSettings as Chosen
from bot.ui.safe import SafeLayoutView
from bot.ui.words import counted

_NO_INTENT = (
    "⚠️ I cannot see pictures in a channel yet: the **Message Content** intent is off. The host can "
    "switch it on in the Discord developer portal (Bot → Privileged Gateway Intents) and restart "
    "me. Until then use `/match`, *Find photos*, or mention me."
)
_NEEDED = discord.Permissions(view_channel=True, send_messages=True, attach_files=True)
_MOST_OPTIONS = 25
_HALL_VOTES = (1, 2, 3, 5, 8, 13)
_CHANNELS = {
    "drawing_channel_id": ("drawing channel", "I answer every drawing in {}."),
    "hall_of_fame_channel_id": ("hall of fame channel", "the hall of fame is {}."),
    "reports_channel_id": ("reports channel", "members' reports go to {}."),
}


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
    bot, guild_id = interaction.client, interaction.guild_id
    async with bot.store.read() as session:
        chosen = await server_settings.get(session, guild_id)
        searched = await bot.collections_of(session, guild_id)
    own = moderators.own_collection(guild_id)
    known = (await bot.retrieval.status(())).collections
    published = [status.name for status in known if not moderators.is_own(status.name)]
    warning = "" if bot.intents.message_content else _NO_INTENT
    return SettingsPanel(chosen, [own, *published][:_MOST_OPTIONS], searched, warning, note)


class SettingsPanel(SafeLayoutView):
    """The panel: what is set now, and the menus to change it."""

    def __init__(
        self,
        chosen: Chosen,
        collections: Sequence[str],
        searched: Sequence[str],
        warning: str,
        note: str,
    ) -> None:
        """Lay out the panel."""
        super().__init__(timeout=600)
        self._container: discord.ui.Container[SettingsPanel] = discord.ui.Container()
        self._part(
            "Photos",
            "Where I look for photos. This server's own are filled with `/photos add`.",
            _CollectionsSelect(collections, searched),
        )
        self._part(
            "Drawing channel",
            f"Every drawing posted there is answered. Now: {_channel(chosen.drawing_channel_id)}"
            + (f"\n{warning}" if warning else ""),
            _ChannelSelect("drawing_channel_id", chosen.drawing_channel_id),
        )
        self._part(
            "Hall of fame channel",
            f"The best and funniest results go there. Now: "
            f"{_channel(chosen.hall_of_fame_channel_id)}",
            _ChannelSelect("hall_of_fame_channel_id", chosen.hall_of_fame_channel_id),
        )
        self._container.add_item(
            discord.ui.ActionRow(_HallVotesSelect(chosen.hall_of_fame_votes or HALL_VOTES))
        )
        self._part(
            "Reports",
            f"What members report goes there; choose a channel that only moderators see. Now: "
            f"{_channel(chosen.reports_channel_id)}",
            _ChannelSelect("reports_channel_id", chosen.reports_channel_id),
        )
        role = chosen.moderator_role_id
        others = f"so does <@&{role}>" if role else "nobody else"
        self._part(
            "Moderators",
            f"Whoever may manage the server looks after its photos, and {others}.\n"
            "-# Discord shows them the commands once you allow it under Server Settings → "
            "Integrations.",
            _RoleSelect(chosen.moderator_role_id),
        )
        if note:
            self._container.add_item(discord.ui.TextDisplay(note))
        self.add_item(self._container)

    def _part(self, title: str, text: str, menu: discord.ui.Item[SettingsPanel]) -> None:
        row: discord.ui.ActionRow[SettingsPanel] = discord.ui.ActionRow(menu)
        self._container.add_item(discord.ui.TextDisplay(f"### {title}\n{text}"))
        self._container.add_item(row)


class _CollectionsSelect(discord.ui.Select[SettingsPanel]):
    """Choose which collections are searched."""

    def __init__(self, collections: Sequence[str], searched: Sequence[str]) -> None:
        super().__init__(
            placeholder="Choose what is searched",
            min_values=1,
            max_values=len(collections),
            options=[
                discord.SelectOption(
                    label="This server's own photos" if moderators.is_own(name) else name,
                    description=None if moderators.is_own(name) else "published by the host",
                    value=name,
                    default=name in searched,
                )
                for name in collections
            ],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Store the choice."""
        guild_id = _require_manager(interaction)
        own = moderators.own_collection(guild_id)
        if any(moderators.is_own(name) and name != own for name in self.values):
            raise UserError("Those photos are another server's.")
        note = f"✅ Saved: {counted(len(self.values), 'collection')} searched."
        await _save(interaction, note, collections=self.values)


class _ChannelSelect(discord.ui.ChannelSelect[SettingsPanel]):
    """Choose a channel, or none."""

    def __init__(self, setting: str, chosen: int | None) -> None:
        kind = discord.SelectDefaultValueType.channel
        super().__init__(
            channel_types=[discord.ChannelType.text],
            placeholder="Choose a channel; choose nothing for none",
            min_values=0,
            max_values=1,
            default_values=[discord.SelectDefaultValue(id=chosen, type=kind)] if chosen else [],
        )
        self._setting = setting

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Store the choice and say what came of it."""
        _require_manager(interaction)
        channel = self.values[0].resolve() if self.values else None
        if self.values and channel is None:
            raise UserError("I cannot see that channel. Give me *View Channel* there first.")
        note = _channel_note(interaction, self._setting, channel)
        await _save(interaction, note, **{self._setting: channel.id if channel else None})


class _HallVotesSelect(discord.ui.Select[SettingsPanel]):
    """Choose how many votes bring a result into the hall of fame."""

    def __init__(self, chosen: int) -> None:
        super().__init__(
            options=[
                discord.SelectOption(
                    label=f"from {counted(votes, 'vote')} of one kind, good or funny",
                    value=str(votes),
                    default=votes == chosen,
                )
                for votes in sorted({*_HALL_VOTES, chosen})
            ],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Store the choice."""
        votes = int(self.values[0])
        note = f"✅ Saved: {counted(votes, 'vote')} bring a result there. An artist's own don't."
        await _save(interaction, note, hall_of_fame_votes=votes)


class _RoleSelect(discord.ui.RoleSelect[SettingsPanel]):
    """Choose the moderators' role, or none."""

    def __init__(self, chosen: int | None) -> None:
        kind = discord.SelectDefaultValueType.role
        super().__init__(
            placeholder="Choose a role; choose nothing for none",
            min_values=0,
            max_values=1,
            default_values=[discord.SelectDefaultValue(id=chosen, type=kind)] if chosen else [],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Store the choice."""
        guild_id = _require_manager(interaction)
        role = self.values[0] if self.values else None
        if role is not None and role.id == guild_id:
            raise UserError("That role is everybody's: then anybody could remove photos.")
        who = f"{role.mention} looks" if role else "nobody else looks"
        note = f"✅ Saved: beside those who manage the server {who} after the photos."
        await _save(interaction, note, moderator_role_id=role.id if role else None)


def _require_manager(interaction: discord.Interaction[Any]) -> int:
    """Check again at the tap: rights may have been taken since the panel was opened."""
    if interaction.guild_id is None:
        raise app_commands.NoPrivateMessage
    if not interaction.permissions.manage_guild:
        raise app_commands.MissingPermissions(["manage_guild"])
    return interaction.guild_id


async def _save(interaction: discord.Interaction[Any], note: str, **values: Any) -> None:
    guild_id = _require_manager(interaction)
    await interaction.response.defer()
    async with interaction.client.store.write() as session:
        await server_settings.change(session, guild_id, interaction.user.id, **values)
    await interaction.edit_original_response(view=await _panel(interaction, note))


def _channel(channel_id: int | None) -> str:
    return f"<#{channel_id}>" if channel_id else "none"


def _channel_note(interaction: discord.Interaction[Any], setting: str, channel: Any) -> str:
    what, saved = _CHANNELS[setting]
    if channel is None:
        return f"✅ Saved: there is no {what}."
    missing = []
    if interaction.guild is not None:
        mine = channel.permissions_for(interaction.guild.me)
        missing = [name for name, wanted in _NEEDED if wanted and not getattr(mine, name)]
    if missing:
        names = ", ".join(f"*{name.replace('_', ' ').title()}*" for name in missing)
        return f"⚠️ Saved, but I still need {names} in <#{channel.id}>."
    everybody = interaction.guild.default_role if interaction.guild is not None else None
    public = everybody is not None and channel.permissions_for(everybody).view_channel
    if setting == "reports_channel_id" and public:
        return f"⚠️ Saved, but everybody can read <#{channel.id}>, and so what is reported."
    return f"✅ Saved: {saved.format(f'<#{channel.id}>')}"


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(ServerSettings(bot))
