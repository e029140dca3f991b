"""A hall of fame in pages, one photo a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import discord

from bot import exhibits, places
from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import standings
from bot.store.models import utcnow
from bot.store.standings import Board, Entry
from bot.ui.safe import SafeLayoutView

_SECONDS = 900
_FACES = {Board.FUNNIEST: "😂", Board.BEST: "🏆", Board.WORST: "🙈"}
_NOBODY = {
    Board.FUNNIEST: "Nobody has laughed yet. Vote 😂 under a photo that makes you.",
    Board.BEST: "No match is voted good yet. Vote 👍 under one that is.",
    Board.WORST: "Nothing is voted a miss yet. Either I am very good, or nobody has looked.",
}


class Period(StrEnum):
    """Since when drawings count."""

    WEEK = "this week"
    MONTH = "this month"
    EVER = "ever"


_DAYS = {Period.WEEK: 7, Period.MONTH: 30, Period.EVER: None}


@dataclass(frozen=True, slots=True)
class Place:
    """Which hall, and which page of it."""

    board: Board
    period: Period
    page: int = 0


async def show(interaction: discord.Interaction[MagicPencil], place: Place, asker: int) -> None:
    """Show a page in place of what the interaction's message was."""
    bot, guild = interaction.client, interaction.guild
    if guild is None or interaction.channel is None:
        raise UserError("This works in a server only.")
    days = _DAYS[place.period]
    since = utcnow() - timedelta(days=days) if days else None
    shown = places.shown_in(guild, interaction.channel)
    async with bot.store.read() as session:
        ids = await standings.ranked(session, guild.id, place.board, since, shown)
        place = replace(place, page=max(0, min(place.page, len(ids) - 1)))
        entry = await standings.entry(session, ids[place.page]) if ids else None
    if entry is None:
        view = HallPage(place, 0, asker, _NOBODY[place.board], None)
        await interaction.edit_original_response(view=view, attachments=[])
        return
    files = await exhibits.pictures(bot, entry.drawing, entry.result.photo_id)
    text = _about(entry, await exhibits.artist_of(bot, entry.drawing))
    names = [file.filename for file in files]
    gallery = exhibits.gallery(names, entry.result.title) if names else None
    view = HallPage(place, len(ids), asker, text, gallery)
    await interaction.edit_original_response(view=view, attachments=files)


def _about(entry: Entry, artist: str) -> str:
    return exhibits.about(entry.drawing, entry.result, entry.counts, artist)


class HallPage(SafeLayoutView):
    """One page, with menus to others."""

    def __init__(
        self,
        place: Place,
        total: int,
        asker: int,
        text: str,
        gallery: discord.ui.MediaGallery[Any] | None,
    ) -> None:
        """Lay out a page of so many."""
        super().__init__(timeout=_SECONDS)
        self.place, self.asker = place, asker
        container: discord.ui.Container[HallPage] = discord.ui.Container(accent_colour=0xF2B134)
        number = f" · {place.page + 1} of {total}" if total else ""
        heading = f"### {_FACES[place.board]} {place.board.value.title()} {place.period}{number}"
        container.add_item(discord.ui.TextDisplay(heading))
        if gallery is not None:
            container.add_item(gallery)
        container.add_item(discord.ui.TextDisplay(text))
        self.add_item(container)
        self.add_item(discord.ui.ActionRow(_BoardSelect(place)))
        self.add_item(discord.ui.ActionRow(_PeriodSelect(place)))
        turning: discord.ui.ActionRow[HallPage] = discord.ui.ActionRow()
        turning.add_item(_Turn("◀", place.page - 1, off=place.page <= 0))
        turning.add_item(_Turn("▶", place.page + 1, off=place.page >= total - 1))
        self.add_item(turning)

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Let only the person turn who asked: others are in the middle of looking."""
        if interaction.user.id != self.asker:
            raise UserError("Somebody else opened this one. `/hall-of-fame` opens your own.")
        return True

    async def go(self, interaction: discord.Interaction[Any], place: Place) -> None:
        """Show another page."""
        await interaction.response.defer()
        await show(interaction, place, self.asker)


class _BoardSelect(discord.ui.Select[HallPage]):
    def __init__(self, place: Place) -> None:
        options = [
            discord.SelectOption(
                label=board.value.title(),
                value=board.value,
                emoji=_FACES[board],
                default=board is place.board,
            )
            for board in Board
        ]
        super().__init__(options=options)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Show another hall, from its first page."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        board = Board(self.values[0])
        await self.view.go(interaction, replace(self.view.place, board=board, page=0))


class _PeriodSelect(discord.ui.Select[HallPage]):
    def __init__(self, place: Place) -> None:
        options = [
            discord.SelectOption(
                label=period.value.capitalize(), value=period.value, default=period is place.period
            )
            for period in Period
        ]
        super().__init__(options=options)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Show another period, from its first page."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        period = Period(self.values[0])
        await self.view.go(interaction, replace(self.view.place, period=period, page=0))


class _Turn(discord.ui.Button[HallPage]):
    def __init__(self, label: str, page: int, *, off: bool) -> None:
        super().__init__(label=label, disabled=off)
        self._page = page

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Turn the page."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        await self.view.go(interaction, replace(self.view.place, page=self._page))
