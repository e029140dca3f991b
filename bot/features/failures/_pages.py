"""Failures in pages, one photo a page, each with its notes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import discord

from bot import exhibits, moderators
from bot.app import MagicPencil
from bot.store import failures
from bot.store.failures import Failure
from bot.store.models import Note
from bot.store.standings import Counts
from bot.ui.safe import SafeLayoutView

_SECONDS = 900
NOTES = {
    Note.NOTHING_LIKE_IT: "nothing like this in the gallery",
    Note.ORIENTATION: "wrong orientation",
    Note.TEXT: "text",
    Note.ABUSIVE: "abusive",
    Note.UNCLEAR: "nobody can tell what it is",
}
_ANY = "any"


@dataclass(frozen=True, slots=True)
class Place:
    """Which failures, and which page of them."""

    note: Note | None = None
    page: int = 0


async def show(interaction: discord.Interaction[MagicPencil], place: Place) -> None:
    """Show a page to the moderator alone, in place of what the interaction's message was."""
    guild_id = await moderators.require(interaction)
    bot = interaction.client
    async with bot.store.read() as session:
        total = await failures.count(session, guild_id, place.note)
        place = replace(place, page=max(0, min(place.page, total - 1)))
        found = await failures.page(session, guild_id, place.note, place.page, 1)
    if not found:
        await interaction.edit_original_response(
            view=FailurePage(place, 0, None, []), attachments=[]
        )
        return
    files = await exhibits.pictures(bot, found[0].drawing, found[0].result.photo_id)
    view = FailurePage(place, total, found[0], files)
    await interaction.edit_original_response(view=view, attachments=files)


class FailurePage(SafeLayoutView):
    """One failure, with a menu of notes."""

    def __init__(
        self, place: Place, total: int, failure: Failure | None, files: list[discord.File]
    ) -> None:
        """Lay out a page of so many."""
        super().__init__(timeout=_SECONDS)
        self.place = place
        container: discord.ui.Container[FailurePage] = discord.ui.Container()
        number = f" · {place.page + 1} of {total:,}" if total else ""
        which = f" · {NOTES[place.note]}" if place.note else ""
        container.add_item(discord.ui.TextDisplay(f"### 🔍 Failures{which}{number}"))
        if failure is None:
            container.add_item(
                discord.ui.TextDisplay(
                    "None. A photo is one when votes make it 95 % sure that most people call it a "
                    "miss: three of three do, or six of seven."
                )
            )
        else:
            if files:
                names = [file.filename for file in files]
                container.add_item(exhibits.gallery(names, failure.result.title))
            container.add_item(discord.ui.TextDisplay(_about(failure)))
            container.add_item(discord.ui.ActionRow(_NotesSelect(failure)))
        self.add_item(container)
        self.add_item(discord.ui.ActionRow(_FilterSelect(place)))
        turning: discord.ui.ActionRow[FailurePage] = discord.ui.ActionRow()
        turning.add_item(_Turn("◀ Newer", place.page - 1, off=place.page <= 0))
        turning.add_item(_Turn("Older ▶", place.page + 1, off=place.page >= total - 1))
        self.add_item(turning)


def _about(failure: Failure) -> str:
    counts = Counts(failure.good, failure.miss, failure.funny)
    result = failure.result
    noted = ", ".join(NOTES[note] for note in sorted(failure.notes)) or "no note"
    shown = exhibits.about(failure.drawing, result, counts, f"<@{failure.drawing.author_id}>")
    return (
        f"{shown}\n-# photo {result.rank} · similarity {result.score:.2f} · encoder "
        f"{result.encoder} · {noted}"
    )


class _NotesSelect(discord.ui.Select[FailurePage]):
    def __init__(self, failure: Failure) -> None:
        super().__init__(
            placeholder="Note why it failed…",
            min_values=0,
            max_values=len(NOTES),
            options=[
                discord.SelectOption(label=text, value=note.value, default=note in failure.notes)
                for note, text in NOTES.items()
            ],
        )
        self._result_id = failure.result.id

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Replace the notes."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        await moderators.require(interaction)
        await interaction.response.defer()
        chosen = [Note(value) for value in self.values]
        async with interaction.client.store.write() as session:
            await failures.annotate(session, self._result_id, chosen, interaction.user.id)
        await show(interaction, self.view.place)


class _FilterSelect(discord.ui.Select[FailurePage]):
    def __init__(self, place: Place) -> None:
        every = discord.SelectOption(label="all failures", value=_ANY, default=place.note is None)
        super().__init__(
            placeholder="Show…",
            options=[
                every,
                *(
                    discord.SelectOption(
                        label=f"noted: {text}", value=note.value, default=note is place.note
                    )
                    for note, text in NOTES.items()
                ),
            ],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Show those with a note."""
        await interaction.response.defer()
        value = self.values[0]
        await show(interaction, Place(None if value == _ANY else Note(value)))


class _Turn(discord.ui.Button[FailurePage]):
    def __init__(self, label: str, page: int, *, off: bool) -> None:
        super().__init__(label=label, disabled=off)
        self._page = page

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Turn the page."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        await interaction.response.defer()
        await show(interaction, replace(self.view.place, page=self._page))
