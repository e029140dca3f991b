"""/privacy: what members may ask of what is kept of them."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot import erasure
from bot.app import MagicPencil
from bot.store import added_photos
from bot.ui.safe import SafeView
from bot.ui.words import counted


class Privacy(commands.GroupCog, group_name="privacy", group_description="What is kept of you."):
    """Answers each person about themselves, in servers and in direct messages."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot
        super().__init__()

    @app_commands.command(description="Delete the photos of yours that moderators took in.")
    async def photos(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Say how many there are, and ask before they are deleted."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.read() as session:
            found = await added_photos.of_author(session, interaction.user.id)
        if not found:
            await interaction.edit_original_response(
                content="None of the photos that I know came from you."
            )
            return
        await interaction.edit_original_response(
            content=f"{counted(len(found), 'photo')} that I know came from you. Shall I delete "
            "them everywhere and for good? Nobody can bring them back.",
            view=DeletePhotos(),
        )


class DeletePhotos(SafeView):
    """Asks once more."""

    def __init__(self) -> None:
        """Wait for ten minutes."""
        super().__init__(timeout=600)

    @discord.ui.button(label="Delete them", style=discord.ButtonStyle.danger)
    async def delete(
        self, interaction: discord.Interaction[MagicPencil], _: discord.ui.Button[DeletePhotos]
    ) -> None:
        """Delete the photos of whoever tapped, who is the one that was asked."""
        await interaction.response.defer()
        gone = await erasure.person_left(interaction.client, interaction.user.id)
        await interaction.edit_original_response(
            content=f"🗑️ {counted(gone, 'photo')} deleted for good.", view=None
        )


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Privacy(bot))
