"""/failures: browse and export what votes call a failure."""

from __future__ import annotations

import tempfile
from pathlib import Path

import discord
from discord import app_commands
from discord.ext import commands

from bot import failure_export, moderators
from bot.app import MagicPencil
from bot.errors import UserError
from bot.features.failures import _pages
from bot.features.failures._pages import Place
from bot.store.models import Note
from bot.ui.words import counted

_LARGEST = 9_000_000  # bytes; Discord takes 10 MiB


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Failures(
    commands.GroupCog, group_name="failures", group_description="What votes call a failure."
):
    """Shows moderators where the encoder is wrong."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot
        super().__init__()

    @app_commands.command(description="Look through them, and note why they failed.")
    @app_commands.describe(note="Only those with this note.")
    @moderators.only
    async def browse(
        self, interaction: discord.Interaction[MagicPencil], note: Note | None = None
    ) -> None:
        """Show the first page."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await _pages.show(interaction, Place(note))

    @app_commands.command(description="A file of them that names nobody, to judge an encoder by.")
    @moderators.only
    async def export(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Send a zip, to the moderator alone."""
        guild_id = await moderators.require(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "failures.zip"
            exported = await failure_export.export(
                self.bot.settings,
                self.bot.store,
                self.bot.retrieval.pictures,
                file,
                guild_id=guild_id,
                most_bytes=_LARGEST,
            )
            if not exported.cases:
                raise UserError("There is nothing to export yet: nothing is judged by its votes.")
            note = ""
            if exported.left_out:
                note = (
                    f"\n-# {counted(exported.left_out, 'older case')} did not fit into a message; "
                    "the host exports all with `magic-pencil failures export`."
                )
            await interaction.edit_original_response(
                content=f"📦 {failure_export.told(exported)}{note}",
                attachments=[discord.File(file)],
            )


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Failures(bot))
