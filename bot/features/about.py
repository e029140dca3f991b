"""/about and /help: what this is, and how it is used, in one screen each."""

from __future__ import annotations

from importlib.metadata import metadata

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import MagicPencil
from retrieval.serving.errors import RetrievalError

_HELP = """\
### ✏️ Magic Pencil
Draw something, however badly. I find the photos that look most like it.

**Send a drawing** in any of these ways:
- `/match` with the drawing as a file
- `/draw`: a page to draw on, here and now
- mention me in a message that holds it (up to 4 drawings)
- on anybody's message: *Apps → Find photos*{channel}

**Vote** under each photo: 👍 good match, 👎 miss, 😂 funny. Tap again to take it back.

**Marvel and laugh**: `/hall-of-fame`, `/leaderboard`, `/stats`. Your data: `/privacy show`

**What works best**: one thing, seen whole, in dark lines on a plain background. *More…* below
the photos shows what I saw of it, and why I chose a photo.

**Moderators**: `/photos add`, `/photos list` for this server's photos; `/settings`, `/index status`
and `/failures browse`, `/moderate block`
-# `/about` says what I am made of.\
"""


class About(commands.Cog):
    """Explains the bot."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot

    @app_commands.command(name="help", description="How to use me, in one screen.")
    async def help_(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Explain, to the person alone."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        channel = ""
        if interaction.guild_id is not None and self.bot.intents.message_content:
            chosen = await self.bot.drawing_channel_of(interaction.guild_id)
            channel = f"\n- just post it in <#{chosen}>" if chosen else ""
        await interaction.edit_original_response(content=_HELP.format(channel=channel))

    @app_commands.command(description="What I am, which encoder I use, how many photos I know.")
    async def about(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Say what runs here."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.read() as session:
            collections = await self.bot.collections_of(session, interaction.guild_id)
        try:
            found = await self.bot.retrieval.status(collections)
            photos = sum(status.photos or 0 for status in found.collections)
            state = f"{photos:,} photos to search" if photos else "no photos indexed yet"
            state += f"\nEncoder: `{found.encoder}`"
        except RetrievalError:
            state = "the worker is not answering just now"
        package = metadata("magic-pencil")
        source = package["Project-URL"].removeprefix("Source, ")  # pyproject.toml says where
        await interaction.edit_original_response(
            content=f"### ✏️ Magic Pencil {package['Version']}\n"
            "I answer rough drawings with the photographs that look most like them. A network "
            "trained on pairs of sketches and photos puts both into one space; the nearest photo "
            "wins. I find pictures that exist and never make any up. After the Sketchy Database "
            "(Sangkloy, Burnell, Ham and Hays, SIGGRAPH 2016).\n\n"
            f"Here: {state}\nCode: <{source}>"
        )


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(About(bot))
