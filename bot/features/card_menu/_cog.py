"""The menu: where photos are from, what was seen, why a photo, removing one, reporting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
import structlog
from discord.ext import commands

from bot import moderators
from bot.app import MagicPencil
from bot.errors import UserError
from bot.features.card_menu._explaining import SeeButton, WhySelect
from bot.store import drawings
from bot.store.drawings import StoredCard
from bot.store.models import ReportReason, Result
from bot.ui.more_button import MoreButton
from bot.ui.safe import SafeLayoutView
from retrieval.serving.messages import ChangePhotos

log = structlog.get_logger(__name__)

_REPORTS = {
    ReportReason.DRAWING: "The drawing is not fit for this server",
    ReportReason.PHOTO: "One of the photos is not",
    ReportReason.OTHER: "Something else is wrong",
}


class CardMenu(commands.Cog):
    """Opens the menu for whoever taps."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot

    async def cog_load(self) -> None:
        """Make the buttons of all cards work, also of those sent before a restart."""
        self.bot.add_dynamic_items(MoreButton)
        self.bot.card_menu = self

    async def open(self, interaction: discord.Interaction[MagicPencil], drawing_id: int) -> None:
        """Show the menu to the person alone."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.read() as session:
            card = await drawings.load_card(session, drawing_id)
        if card is None:
            raise UserError("This result is gone.")
        removable: list[Result] = []
        if await moderators.is_moderator(interaction) and interaction.guild_id is not None:
            own = moderators.own_collection(interaction.guild_id)
            removable = [result for result in card.results if result.collection == own]
        view = Menu(
            card,
            removable,
            is_author=card.drawing.author_id == interaction.user.id,
            in_server=interaction.guild_id is not None,
        )
        await interaction.edit_original_response(view=view)


class Menu(SafeLayoutView):
    """The menu of one card."""

    def __init__(
        self, card: StoredCard, removable: Sequence[Result], *, is_author: bool, in_server: bool
    ) -> None:
        """Lay out the menu."""
        super().__init__(timeout=600)
        container: discord.ui.Container[Menu] = discord.ui.Container()
        lines = "\n".join(_about(result) for result in card.results)
        container.add_item(discord.ui.TextDisplay(f"### About these photos\n{lines}"))
        if card.results:
            container.add_item(discord.ui.ActionRow(WhySelect(card.drawing.id, card.results)))
        if is_author:
            container.add_item(discord.ui.ActionRow(SeeButton(card.drawing.id)))
        if removable:
            container.add_item(discord.ui.ActionRow(_RemoveSelect(removable)))
        if in_server:
            container.add_item(discord.ui.ActionRow(_ReportSelect(card.drawing.id)))
        self.add_item(container)


def _about(result: Result) -> str:
    escape = discord.utils.escape_markdown
    whose = "this server's" if moderators.is_own(result.collection) else result.collection
    credit = f" · {escape(result.credit)}" if result.credit else ""
    return f"{result.rank}. **{escape(result.title)[:100]}**{credit}\n-# from {whose} photos"


class _RemoveSelect(discord.ui.Select[Menu]):
    """Remove a photo that should not have been found."""

    def __init__(self, results: Sequence[Result]) -> None:
        super().__init__(
            placeholder="Remove this photo…",
            options=[
                discord.SelectOption(
                    label=f"{result.rank}. {result.title}"[:100], value=result.photo_id
                )
                for result in results
            ],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Remove it from the server's own collection."""
        guild_id = await moderators.require(interaction)
        await interaction.response.defer()
        bot, collection = interaction.client, moderators.own_collection(guild_id)
        change = ChangePhotos(collection, tuple(self.values), "removed")
        if not await bot.retrieval.change_photos(change):
            raise UserError("That photo is not there any more.")
        await bot.keeper.refresh(collection)
        log.info("photo removed from a card", guild=guild_id)
        await interaction.followup.send(
            "🗑️ Removed: it is not found any more. For 7 days `/photos removed` can bring it back.",
            ephemeral=True,
        )


class _ReportSelect(discord.ui.Select[Menu]):
    """Tell the moderators of something that should not be here."""

    def __init__(self, drawing_id: int) -> None:
        super().__init__(
            placeholder="🚩 Report to the moderators…",
            options=[
                discord.SelectOption(label=label, value=reason.value)
                for reason, label in _REPORTS.items()
            ],
        )
        self._drawing_id = drawing_id

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Report it."""
        await interaction.response.defer()
        reason = ReportReason(self.values[0])
        told = await interaction.client.moderation.report(interaction, self._drawing_id, reason)
        await interaction.followup.send(told, ephemeral=True)


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(CardMenu(bot))
