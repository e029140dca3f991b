"""/stats: a picture of the votes."""

from __future__ import annotations

import io

import discord
from discord import app_commands
from discord.ext import commands

from bot.app import MagicPencil
from bot.store import statistics
from bot.store.models import VoteKind, utcnow
from bot.store.statistics import ServerStatistics
from bot.ui.words import counted
from retrieval.reports import EncoderHits, Hardness, Statistics


class Stats(commands.Cog):
    """Shows how well drawings are matched, by the votes."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot

    @app_commands.command(description="Votes over time, hit rate, and what is hardest to draw.")
    @app_commands.guild_only()
    async def stats(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show the picture for all to see."""
        if interaction.guild_id is None:
            raise app_commands.NoPrivateMessage
        await interaction.response.defer(thinking=True)
        async with self.bot.store.read() as session:
            found = await statistics.of_server(session, interaction.guild_id, utcnow().date())
        picture = await self.bot.retrieval.plot(_drawn(found))
        file = discord.File(io.BytesIO(picture), "stats.png", description=_told(found)[:1024])
        await interaction.edit_original_response(content=_told(found), attachments=[file])


def _drawn(found: ServerStatistics) -> Statistics:
    return Statistics(
        days=tuple(day.isoformat() for day in found.days),
        good=found.votes[VoteKind.GOOD],
        miss=found.votes[VoteKind.MISS],
        funny=found.votes[VoteKind.FUNNY],
        encoders=tuple(
            EncoderHits(one.name, one.share, one.low, one.high, one.judged)
            for one in found.encoders
        ),
        hardest=tuple(
            Hardness(one.name, one.share, one.low, one.high, one.judged) for one in found.hardest
        ),
    )


def _told(found: ServerStatistics) -> str:
    """Say in words what the picture shows, for those who cannot see it."""
    lines = [
        f"**{counted(found.drawings, 'drawing')}**, {counted(found.all_votes, 'vote')} in all; "
        f"{sum(map(sum, found.votes.values())):,} in the last {len(found.days)} days."
    ]
    if found.encoders:
        last = found.encoders[-1]
        lines.append(
            f"Something right for **{last.share:.0%}** of {counted(last.judged, 'judged drawing')} "
            f"(encoder {last.name}; with luck taken into account {last.low:.0%} to "
            f"{last.high:.0%})."
        )
    if found.hardest:
        names = ", ".join(
            f"{discord.utils.escape_markdown(one.name)[:60]} ({one.share:.0%} misses)"
            for one in found.hardest[:3]
        )
        lines.append(f"Hardest: {names}.")
    return "\n".join(lines)


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Stats(bot))
