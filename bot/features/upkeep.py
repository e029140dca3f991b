"""What is done once a day: drawings that nobody voted on are deleted, and files without a row."""

from __future__ import annotations

import structlog
from discord.ext import commands, tasks

from bot import erasure
from bot.app import MagicPencil

log = structlog.get_logger(__name__)


class Upkeep(commands.Cog):
    """Keeps nothing longer than was said."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot

    async def cog_load(self) -> None:
        """Begin with the first connection, which deleting a post needs; then once a day."""
        self.daily.start()

    async def cog_unload(self) -> None:
        """Stop."""
        self.daily.cancel()

    @tasks.loop(hours=24)
    async def daily(self) -> None:
        """Do it; what fails is done again tomorrow, and at the next start."""
        try:
            await erasure.expire(self.bot, self.bot.settings.retention_days)
            await erasure.sweep(self.bot)
            await self.bot.hall.take_down()
        except Exception:  # tomorrow's must come, whatever is wrong today
            log.exception("upkeep failed")

    @daily.before_loop
    async def _connected(self) -> None:
        await self.bot.wait_until_ready()


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Upkeep(bot))
