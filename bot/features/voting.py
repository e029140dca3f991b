"""Votes on a result card: one tap a vote, counts on the buttons.

Votes come in bursts, so a card is edited once for all that came while it was edited before. A vote
stands whatever becomes of the edit; who cannot see it on the card is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import aiohttp
import discord
import structlog
from discord.ext import commands

from bot.app import MagicPencil
from bot.blocking import refuse_blocked
from bot.errors import UserError
from bot.store import drawings, votes
from bot.store.drawings import StoredCard
from bot.store.models import VoteKind
from bot.ui.result_card import ResultCard, confidence_on, photo_file
from bot.ui.vote_button import FACES, VoteButton

log = structlog.get_logger(__name__)

_WORDS = {
    votes.VoteOutcome.COUNTED: "counted. Tap it again to take it back.",
    votes.VoteOutcome.CHANGED: "is your vote now. Tap it again to take it back.",
    votes.VoteOutcome.WITHDRAWN: "taken back.",
}
_GONE = "This result is gone, so it cannot be voted on any more."
# Discord says no, or cannot be asked.
_NOT_SHOWN = (discord.HTTPException, aiohttp.ClientError, OSError)
_ATTEMPTS = 2  # at showing the same votes; Discord may want no edits of this card for a while


class _Turn:
    """Who may edit one card now, and which of those who ask for it need not any more.

    Everybody who wants the card to show their vote has a number, in the order of coming.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.asked = 0
        self.shown = 0  # the card shows the votes up to this number,
        self.given_up = 0  # or could not be made to
        self.failures = 0


class Voting(commands.Cog):
    """Counts votes and shows the counts."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep a turn for each card that is being voted on."""
        self.bot = bot
        self._turns: WeakValueDictionary[int, _Turn] = WeakValueDictionary()

    async def cog_load(self) -> None:
        """Make the buttons of all cards work, also of those sent before a restart."""
        self.bot.add_dynamic_items(VoteButton)
        self.bot.voting = self

    async def vote(
        self, interaction: discord.Interaction[MagicPencil], result_id: int, kind: VoteKind
    ) -> None:
        """Count a person's vote on one photo, and show the card with its new counts."""
        await interaction.response.defer()  # acknowledged, however long the database takes
        outcome = await self._cast(interaction.guild_id, result_id, interaction.user.id, kind)
        message = interaction.message
        if message is None or await self._show_counts(
            message, result_id, interaction.edit_original_response
        ):
            return
        emoji, name = FACES[kind]
        try:
            await interaction.followup.send(f"{emoji} {name}: {_WORDS[outcome]}", ephemeral=True)
        except _NOT_SHOWN as error:
            log.warning("vote not confirmed", result=result_id, **_why(error))

    async def vote_from_page(
        self, guild_id: int | None, result_id: int, user_id: int, kind: VoteKind
    ) -> tuple[votes.VoteOutcome, StoredCard]:
        """Count a vote that was no tap on a card; the card shows it all the same."""
        outcome = await self._cast(guild_id, result_id, user_id, kind)
        async with self.bot.store.read() as session:
            card = await drawings.card_for_result(session, result_id)
        if card is None:
            raise UserError(_GONE)
        channel_id, message_id = card.drawing.card_channel_id, card.drawing.card_message_id
        if channel_id is not None and message_id is not None:
            channel = self.bot.get_partial_messageable(channel_id)
            try:
                message = await channel.fetch_message(message_id)
            except _NOT_SHOWN as error:
                log.warning("counts not shown", result=result_id, **_why(error))
            else:
                await self._show_counts(message, result_id, message.edit)
        return outcome, card

    async def _cast(
        self, guild_id: int | None, result_id: int, user_id: int, kind: VoteKind
    ) -> votes.VoteOutcome:
        await refuse_blocked(self.bot, guild_id, user_id)
        try:
            async with self.bot.store.write() as session:
                outcome = await votes.cast(session, result_id, user_id, kind)
        except votes.UnknownResultError:
            raise UserError(_GONE) from None
        self.bot.hall.touch(result_id)
        log.info("vote", result=result_id, outcome=outcome.value)
        return outcome

    async def _show_counts(
        self, message: discord.Message, result_id: int, edit: Callable[..., Awaitable[object]]
    ) -> bool:
        """Make a card show the votes that are stored by now; say whether it does."""
        turn = self._turns.setdefault(message.id, _Turn())
        turn.asked += 1
        number = turn.asked
        async with turn.lock:  # counts are read and shown under it: the newest are shown last
            if number <= turn.shown:
                return True
            if number <= turn.given_up:
                return False
            asked = turn.asked
            try:
                await self._edit(message, result_id, edit)
            except _NOT_SHOWN as error:
                log.warning("counts not shown", result=result_id, **_why(error))
                turn.failures += 1
                if turn.failures == _ATTEMPTS:  # the next in line has tried, too
                    turn.given_up, turn.failures = asked, 0
                return False
            turn.shown, turn.failures = asked, 0
            return True

    async def _edit(
        self, message: discord.Message, result_id: int, edit: Callable[..., Awaitable[object]]
    ) -> None:
        async with self.bot.store.read() as session:
            card = await drawings.card_for_result(session, result_id)
        if card is None:
            return
        attached = {attachment.filename for attachment in message.attachments}
        shown = frozenset(r.rank for r in card.results if photo_file(r.rank) in attached)
        await edit(view=ResultCard(card, with_photos=shown, confidence=confidence_on(message)))


def _why(error: Exception) -> dict[str, object]:
    return {"reason": type(error).__name__, "code": getattr(error, "code", None)}


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Voting(bot))
