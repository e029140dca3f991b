"""/leaderboard: artists, voters, what people disagree about most, and the titles that you hold."""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import app_commands
from discord.ext import commands

from bot import exhibits, places
from bot.app import MagicPencil
from bot.store import people, standings
from bot.store.models import Consent
from bot.store.standings import Deeds, Entry, Standing
from bot.ui import titles
from bot.ui.words import counted

_PLACES = 10
_CONTESTED = 3
_MEDALS = ("🥇", "🥈", "🥉")
_NAMES_HINT = (
    "-# Only those are named who agreed to it: `/privacy opt-in`. Votes on one's own drawings "
    "count nowhere here."
)


class Leaderboard(commands.Cog):
    """Ranks people by what others think of their drawings, and by their votes."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot

    @app_commands.command(description="Artists, voters, and what people disagree about most.")
    @app_commands.guild_only()
    async def leaderboard(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show it for all to see."""
        guild = interaction.guild
        if guild is None or interaction.channel is None:
            raise app_commands.NoPrivateMessage
        await interaction.response.defer(thinking=True)
        shown = places.shown_in(guild, interaction.channel)
        async with self.bot.store.read() as session:
            artists = await standings.artists(session, guild.id, _PLACES)
            voters = await standings.voters(session, guild.id, _PLACES)
            contested = [
                await standings.entry(session, result_id)
                for result_id in await standings.contested(session, guild.id, shown, _CONTESTED)
            ]
            mine = await standings.deeds(session, guild.id, interaction.user.id)
            everybody = [standing.user_id for standing in (*artists, *voters)]
            agreed = await people.agreed(session, everybody, Consent.NAMING)
        argued = [_argued(entry) for entry in contested if entry is not None]
        text = "\n".join(
            [
                "### 🎨 Artists",
                "-# 👍 and 😂 from others",
                *_ranking(artists, agreed),
                "### 🗳️ Voters",
                *_ranking(voters, agreed),
                "### ⚔️ Most contested",
                *(argued or ["Nobody disagrees yet."]),
                f"### 🎖️ {interaction.user.display_name}",
                _own(mine),
                _NAMES_HINT,
            ]
        )
        container: discord.ui.Container[discord.ui.LayoutView] = discord.ui.Container(
            discord.ui.TextDisplay(text), accent_colour=0xF2B134
        )
        view = discord.ui.LayoutView()
        view.add_item(container)
        view.stop()
        await interaction.edit_original_response(view=view)


def _ranking(ranked: Sequence[Standing], agreed: frozenset[int]) -> list[str]:
    lines = []
    for place, standing in enumerate(ranked):
        medal = _MEDALS[place] if place < len(_MEDALS) else f"{place + 1}."
        drawings = f" on {counted(standing.drawings, 'drawing')}" if standing.drawings else ""
        name = exhibits.name_of(standing.user_id, agreed)
        lines.append(f"{medal} {name}: {counted(standing.points, 'vote')}{drawings}")
    return lines or ["Nobody yet."]


def _argued(entry: Entry) -> str:
    title = discord.utils.escape_markdown(entry.result.title)[:80]
    return f"{exhibits.tally(entry.counts)} · [{title}]({exhibits.card_link(entry.drawing)})"


def _own(deeds: Deeds) -> str:
    held = titles.earned(deeds)
    ahead = titles.next_title(deeds)
    line = " · ".join(held) if held else "No title yet."
    return line + (f"\n-# {ahead}" if ahead else "")


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Leaderboard(bot))
