"""A list of a collection's photos, a page at a time, with menus to remove or bring back."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NoReturn

import discord
import structlog

from bot import moderators
from bot.app import MagicPencil
from bot.errors import UserError
from bot.ui.safe import SafeLayoutView
from bot.ui.words import counted
from retrieval.reports import ListedPhoto, PhotoPage
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import ChangePhotos, EditPhoto, ListPhotos

log = structlog.get_logger(__name__)

Change = Literal["removed", "restored"]
PAGE = 5
_NOT_HERE: Final = ("unknown_photo", "unknown_collection")
_SECONDS = 900
_LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True)
class Place:
    """What is listed, and where in it the page begins."""

    collection: str
    words: str = ""
    removed: bool = False
    offset: int = 0


async def show(interaction: discord.Interaction[MagicPencil], place: Place, note: str = "") -> None:
    """Show a page to the person alone, in place of what the interaction's message was."""
    page = await interaction.client.retrieval.list_photos(
        ListPhotos(place.collection, place.words, place.offset, PAGE, place.removed)
    )
    if not page.photos and place.offset:
        return await show(interaction, replace(place, offset=max(0, place.offset - PAGE)), note)
    files = [
        discord.File(io.BytesIO(photo.thumbnail), f"{photo.photo_id[:16]}.jpg")
        for photo in page.photos
        if photo.thumbnail
    ]
    view = PhotoPages(place, page, note)
    await interaction.edit_original_response(view=view, attachments=files)
    return None


class PhotoPages(SafeLayoutView):
    """One page."""

    def __init__(self, place: Place, page: PhotoPage, note: str) -> None:
        """Lay out a page."""
        super().__init__(timeout=_SECONDS)
        self.place = place
        self.titles = {photo.photo_id: photo.title for photo in page.photos}
        container: discord.ui.Container[PhotoPages] = discord.ui.Container()
        container.add_item(discord.ui.TextDisplay(_heading(place, page)))
        for photo in page.photos:
            container.add_item(_photo(photo))
        if note:
            container.add_item(discord.ui.TextDisplay(note))
        self.add_item(container)
        if page.photos:
            self.add_item(discord.ui.ActionRow(_Choice(page.photos, place)))
        turning: discord.ui.ActionRow[PhotoPages] = discord.ui.ActionRow()
        turning.add_item(_Turn("◀ Newer", max(0, place.offset - PAGE), place.offset == 0))
        last = place.offset + PAGE >= page.total
        turning.add_item(_Turn("Older ▶", place.offset + PAGE, last))
        if page.total > PAGE:
            self.add_item(turning)


def _heading(place: Place, page: PhotoPage) -> str:
    if not page.total:
        if place.removed:
            return "Nothing was removed in the last 7 days."
        if place.words:
            words = discord.utils.escape_markdown(place.words)
            return f"No photo has **{words}** in its title or credit."
        return "There is no photo yet. `/photos add` takes the first."
    what = counted(page.total, "removed photo" if place.removed else "photo")
    found = f" with *{discord.utils.escape_markdown(place.words)}*" if place.words else ""
    first, last = place.offset + 1, place.offset + len(page.photos)
    return f"### {what}{found}\n-# {first:,} to {last:,}, the newest first"


def _photo(photo: ListedPhoto) -> discord.ui.Item[PhotoPages]:
    escape = discord.utils.escape_markdown
    lines = [f"**{escape(photo.title)}**"]
    if photo.credit:
        lines.append(f"-# {escape(photo.credit)}")
    if photo.until is not None:
        lines.append(f"-# deleted for good <t:{int(photo.until)}:R>")
    text: discord.ui.TextDisplay[PhotoPages] = discord.ui.TextDisplay("\n".join(lines))
    if not photo.thumbnail:
        return text
    picture: discord.ui.Thumbnail[PhotoPages] = discord.ui.Thumbnail(
        f"attachment://{photo.photo_id[:16]}.jpg", description=photo.title[:1024]
    )
    return discord.ui.Section(text, accessory=picture)


class _Choice(discord.ui.Select[PhotoPages]):
    """Photos of the page to remove, or to bring back."""

    def __init__(self, photos: tuple[ListedPhoto, ...], place: Place) -> None:
        super().__init__(
            placeholder="Bring back…" if place.removed else "Remove…",
            min_values=1,
            max_values=len(photos),
            options=[
                discord.SelectOption(
                    label=photo.title[:_LONGEST_LABEL],
                    description=photo.credit[:_LONGEST_LABEL] or None,
                    value=photo.photo_id,
                )
                for photo in photos
            ],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Do it, and show the page again."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        place = self.view.place
        await moderators.require_own(interaction, place.collection)
        await interaction.response.defer()
        to: Change = "restored" if place.removed else "removed"
        changed = await change(interaction, place.collection, tuple(self.values), to)
        await show(interaction, place, _changed_note(changed, to))


class _Turn(discord.ui.Button[PhotoPages]):
    """Turns to another page."""

    def __init__(self, label: str, offset: int, disabled: bool) -> None:
        super().__init__(label=label, disabled=disabled)
        self._offset = offset

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Turn."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        await moderators.require_own(interaction, self.view.place.collection)
        await interaction.response.defer()
        await show(interaction, replace(self.view.place, offset=self._offset))


def _changed_note(count: int, to: str) -> str:
    if to == "restored":
        return f"✅ {count} brought back."
    return f"🗑️ {count} removed. For 7 days `/photos removed` can bring them back."


async def change(
    interaction: discord.Interaction[Any], collection: str, photo_ids: tuple[str, ...], to: Change
) -> int:
    """Remove or restore photos, and wait until they are not found any more, or again.

    Returns how many: of several some may have been removed, or brought back, by somebody else.

    Raises:
        UserError: they are not in this collection.
    """
    bot: MagicPencil = interaction.client
    try:
        changed = await bot.retrieval.change_photos(ChangePhotos(collection, photo_ids, to))
    except RetrievalError as error:
        if error.code not in _NOT_HERE:
            raise
        changed = ()
    if not changed:
        refuse_unknown(interaction)
    log.info("photos changed", collection=collection, photos=len(changed), to=to)
    await bot.keeper.refresh(collection)
    return len(changed)


async def edit(interaction: discord.Interaction[Any], change: EditPhoto) -> None:
    """Change what is known of a photo, and wait until that is found. Raises UserError."""
    bot: MagicPencil = interaction.client
    try:
        await bot.retrieval.edit_photo(change)
    except RetrievalError as error:
        if error.code not in _NOT_HERE:
            raise
        refuse_unknown(interaction)
    await bot.keeper.refresh(change.collection)


def refuse_unknown(interaction: discord.Interaction[Any]) -> NoReturn:
    """Refuse to touch a photo that the server's collection does not have, and note who tried."""
    log.warning(
        "refused",
        guild=interaction.guild_id,
        asked_for="a photo that is not in this server's collection",
    )
    raise UserError("This server has no such photo. `/photos list` shows those that there are.")
