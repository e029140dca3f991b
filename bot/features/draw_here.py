"""/draw: a private link to a page to draw on, for those who have no drawing app at hand."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import MagicPencil
from bot.blocking import refuse_blocked
from bot.errors import UserError
from bot.links import OPEN_SECONDS, address, may_post

_NO_PAGE = (
    "Here you cannot draw on a page of mine, because the host has not set its address "
    "(`MAGIC_PENCIL_PUBLIC_URL`). Draw in any app and use `/match` with the picture."
)
_I_MAY_NOT = (
    "I may not post pictures here, so nothing that you draw could appear. A moderator can give me "
    "*View Channel*, *Send Messages* and *Attach Files* in this channel."
)
_YOU_MAY_NOT = "You may not post pictures here. Use `/draw` in a channel where you may."
_LINK = (
    "✏️ A page to draw on, for you alone. What you post there appears {where}.\n"
    "-# Open it within {minutes} minutes, and keep the link to yourself: it works once, in one "
    "browser."
)


class DrawHere(commands.Cog):
    """Hands out links to the drawing page."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot

    @app_commands.command(description="Draw right here: I give you a page to draw on.")
    async def draw(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Give the person, and nobody else, a link."""
        public_url = self.bot.settings.public_url
        if public_url is None:
            raise UserError(_NO_PAGE)
        await refuse_blocked(self.bot, interaction.guild_id, interaction.user.id)
        assert interaction.channel_id is not None  # noqa: S101 - commands have a channel
        if interaction.guild_id is not None:
            _check(interaction)
        token = self.bot.links.issue(
            interaction.guild_id, interaction.channel_id, interaction.user.id
        )
        view = discord.ui.View()
        view.add_item(discord.ui.Button(label="Draw", emoji="✏️", url=address(public_url, token)))
        view.stop()  # a link button calls nobody back
        where = f"in <#{interaction.channel_id}>" if interaction.guild_id else "here"
        await interaction.response.send_message(
            _LINK.format(where=where, minutes=OPEN_SECONDS // 60), view=view, ephemeral=True
        )


def _check(interaction: discord.Interaction[MagicPencil]) -> None:
    """Say now what the page would have to say: nobody draws for a channel that is closed."""
    in_thread = isinstance(interaction.channel, discord.Thread)
    if not may_post(interaction.app_permissions, in_thread=in_thread):
        raise UserError(_I_MAY_NOT)
    if not may_post(interaction.permissions, in_thread=in_thread):
        raise UserError(_YOU_MAY_NOT)


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(DrawHere(bot))
