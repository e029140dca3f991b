"""/moderate: whom not to answer; and what members report, in the moderators' channel."""

from __future__ import annotations

import re
from typing import Any, Self

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import erasure, exhibits, moderators
from bot.app import MagicPencil
from bot.blocking import refuse_blocked
from bot.errors import UserError
from bot.store import drawings, people, reports, server_settings
from bot.store.models import Drawing, ReportReason
from bot.ui.safe import SafeDynamicItem

log = structlog.get_logger(__name__)

_REASONS = {
    ReportReason.DRAWING: "the drawing",
    ReportReason.PHOTO: "a photo that was found",
    ReportReason.OTHER: "something else",
}
_NOT_TOLD = (
    "Your report is kept, but the moderators of this server {why}, so please tell one of them."
)
_MOST_LISTED = 50


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Moderation(
    commands.GroupCog, group_name="moderate", group_description="Whom I answer in this server."
):
    """Blocks members, and brings reports to moderators."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot
        super().__init__()

    async def cog_load(self) -> None:
        """Make the buttons of all reports work, also of those sent before a restart."""
        self.bot.add_dynamic_items(ReportButton)
        self.bot.moderation = self

    @app_commands.command(description="Do not answer a member's drawings and votes any more.")
    @moderators.only
    async def block(
        self, interaction: discord.Interaction[MagicPencil], member: discord.User
    ) -> None:
        """Block a member, who is told politely when they draw."""
        guild_id = await moderators.require(interaction)
        if member.id == interaction.user.id:
            raise UserError("That is you.")
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._block(guild_id, member.id, interaction.user.id)
        await interaction.edit_original_response(
            content=f"🚫 I answer {member.mention} no more. `/moderate unblock` takes it back."
        )

    @app_commands.command(description="Answer a member again.")
    @moderators.only
    async def unblock(
        self, interaction: discord.Interaction[MagicPencil], member: discord.User
    ) -> None:
        """Take a block back."""
        guild_id = await moderators.require(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.write() as session:
            key = self.bot.member_keys.of(guild_id, member.id)
            was = await people.unblock(session, guild_id, key)
        text = f"✅ I answer {member.mention} again." if was else "They were not blocked."
        await interaction.edit_original_response(content=text)

    @app_commands.command(description="Show whom I do not answer here.")
    @moderators.only
    async def blocked(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """List the blocked members, the newest first."""
        guild_id = await moderators.require(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.read() as session:
            found = await people.blocked(session, guild_id)
        lines = [
            f"- {f'<@{one.user_id}>' if one.user_id else 'somebody who had their data deleted'}"
            f", since <t:{int(one.created_at.timestamp())}:d>"
            for one in found[:_MOST_LISTED]
        ]
        await interaction.edit_original_response(
            content="\n".join(lines) or "Nobody: I answer everybody here."
        )

    async def _block(self, guild_id: int, user_id: int, by: int) -> None:
        async with self.bot.store.write() as session:
            key = self.bot.member_keys.of(guild_id, user_id)
            await people.block(session, guild_id, key, user_id, by)
        log.info("member blocked", guild=guild_id)

    async def report(
        self, interaction: discord.Interaction[MagicPencil], drawing_id: int, reason: ReportReason
    ) -> str:
        """Bring a member's report to the moderators; returns what the member is told."""
        if interaction.guild_id is None:
            raise app_commands.NoPrivateMessage
        await refuse_blocked(self.bot, interaction.guild_id, interaction.user.id)
        async with self.bot.store.write() as session:
            card = await drawings.load_card(session, drawing_id)
            if card is None or card.drawing.guild_id != interaction.guild_id:
                raise UserError("This result is gone.")
            new = await reports.file(session, drawing_id, interaction.user.id, reason)
            chosen = await server_settings.get(session, interaction.guild_id)
        if not new:
            return "You have reported this one already. Thank you."
        channel_id = chosen.reports_channel_id
        if channel_id is None:
            return _NOT_TOLD.format(why="have chosen no channel for reports (`/settings`)")
        view = ReportView(card.drawing, reason)
        try:
            await self.bot.get_partial_messageable(channel_id).send(view=view)
        except discord.HTTPException as error:
            log.warning("report not posted", guild=interaction.guild_id, status=error.status)
            return _NOT_TOLD.format(why="have a channel for reports that I cannot reach")
        log.info("reported", guild=interaction.guild_id, drawing=drawing_id, reason=reason.value)
        return "🚩 Thank you. The moderators can see it now, and not who reported it."

    async def act(
        self, interaction: discord.Interaction[MagicPencil], drawing_id: int, what: str
    ) -> None:
        """Do what a moderator chose to do about a report."""
        guild_id = await moderators.require(interaction)
        await interaction.response.defer()
        async with self.bot.store.read() as session:
            card = await drawings.load_card(session, drawing_id)
        drawing = card.drawing if card and card.drawing.guild_id == guild_id else None
        if what == "dismiss":
            done = "✅ Dismissed"
        elif drawing is None:
            done = "The drawing was gone already"
        elif what == "delete":
            await erasure.drawings_gone(self.bot, [drawing])
            done = "🗑️ Drawing, results and votes deleted"
        else:
            await self._block(guild_id, drawing.author_id, interaction.user.id)
            done = "🚫 Artist blocked; `/moderate unblock` takes it back"
        if interaction.message is not None:
            view = discord.ui.LayoutView()
            text = f"{done} by {interaction.user.mention}."
            view.add_item(discord.ui.Container(discord.ui.TextDisplay(text)))
            view.stop()
            await interaction.edit_original_response(view=view)


class ReportView(discord.ui.LayoutView):
    """A report as moderators see it. It names the artist, as the card does, and no reporter."""

    def __init__(self, drawing: Drawing, reason: ReportReason) -> None:
        """Lay out a report."""
        super().__init__(timeout=None)
        link = exhibits.card_link(drawing)
        where = f"[a result]({link})" if link else "a result"
        row: discord.ui.ActionRow[ReportView] = discord.ui.ActionRow()
        for what in ("delete", "block", "dismiss"):
            row.add_item(ReportButton(drawing.id, what))
        text = (
            f"### 🚩 A member reports {_REASONS[reason]}\n"
            f"It is on {where} for <@{drawing.author_id}>'s drawing."
        )
        self.add_item(discord.ui.Container(discord.ui.TextDisplay(text), row))
        self.stop()


class ReportButton(
    SafeDynamicItem, template=r"mp:v1:report:(?P<drawing>[0-9]{1,18}):(?P<what>[a-z]{1,10})"
):
    """What moderators can do about a report."""

    _LABELS = {  # noqa: RUF012 - never changed
        "delete": ("Delete the drawing", "🗑️", discord.ButtonStyle.danger),
        "block": ("Block the artist", "🚫", discord.ButtonStyle.secondary),
        "dismiss": ("Dismiss", "✅", discord.ButtonStyle.secondary),
    }

    def __init__(self, drawing_id: int, what: str) -> None:
        """Make one of the buttons of a report."""
        label, emoji, style = self._LABELS[what]
        super().__init__(
            discord.ui.Button(
                label=label, emoji=emoji, style=style, custom_id=f"mp:v1:report:{drawing_id}:{what}"
            )
        )
        self.drawing_id, self.what = drawing_id, what

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Make the button that was tapped."""
        what = match["what"]
        if what not in cls._LABELS:
            raise UserError("This button is of another version than I am.")
        return cls(int(match["drawing"]), what)

    async def act(self, interaction: discord.Interaction[Any]) -> None:
        """Do it."""
        await interaction.client.moderation.act(interaction, self.drawing_id, self.what)


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Moderation(bot))
