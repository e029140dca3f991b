"""/hall-of-fame, and the channel that results get into by votes."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import MagicPencil
from bot.features.hall_of_fame import _pages
from bot.features.hall_of_fame._pages import Period, Place
from bot.features.hall_of_fame._posts import HallPosts
from bot.store import erasing, hall_posts
from bot.store.standings import Board


class HallOfFame(commands.Cog):
    """Shows what people laughed at and marvelled at."""

    def __init__(self, bot: MagicPencil) -> None:
        """Begin to keep the channels."""
        self.bot = bot
        self.posts = HallPosts(bot)

    async def cog_load(self) -> None:
        """Let votes be looked at."""
        self.bot.hall = self.posts

    async def cog_unload(self) -> None:
        """Stop looking."""
        await self.posts.stop()

    @app_commands.command(
        name="hall-of-fame", description="The funniest, best and worst matches of this server."
    )
    @app_commands.guild_only()
    @app_commands.describe(board="What to marvel at.", period="Of drawings since when.")
    async def hall_of_fame(
        self,
        interaction: discord.Interaction[MagicPencil],
        board: Board = Board.FUNNIEST,
        period: Period = Period.WEEK,
    ) -> None:
        """Show the first page, for all to see."""
        await interaction.response.defer(thinking=True)
        await _pages.show(interaction, Place(board, period), interaction.user.id)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """A post goes with its card; one that moderators delete does not come back."""
        await self._gone([event.message_id])

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Posts go with their cards."""
        await self._gone(list(event.message_ids))

    async def _gone(self, message_ids: list[int]) -> None:
        async with self.bot.store.write() as session:
            await erasing.cards_deleted(session, message_ids)
            await hall_posts.removed(session, message_ids)
        await self.posts.take_down()


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(HallOfFame(bot))
