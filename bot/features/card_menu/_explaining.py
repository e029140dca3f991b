"""What I saw of a drawing, for who drew it; and why a photo was found, for everybody."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any, Final

import discord

from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import drawings
from bot.store.drawings import StoredCard
from bot.store.models import Drawing, Result
from retrieval.reports import Step
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import Canonical, Explain, Explanation

_GONE: Final = "This result is gone."
_NO_PHOTO: Final = ("unknown_photo", "unknown_collection", "no_index")
_DONE: Final[dict[Step, str]] = {
    "turned": "turned it upright",
    "bars": "cut off the bars around it",
    "sheet": "cut out the sheet of paper",
    "shadows": "took the paper and its shadows away",
    "rules": "took the ruled lines away",
    "clutter": "took away what lay around it",
    "caption": "left out the writing",
    "inverted": "made the light lines dark",
    "enlarged": "looked from nearer by",
    "cropped": "cropped it to the lines",
}


class SeeButton(discord.ui.Button[Any]):
    """Shows what the encoder was given, to who drew it alone."""

    def __init__(self, drawing_id: int) -> None:
        """Make the button of one drawing."""
        super().__init__(label="See what I saw", emoji="👁️")
        self._drawing_id = drawing_id

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Show it."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        bot: MagicPencil = interaction.client
        drawing = (await _card(bot, self._drawing_id)).drawing
        if drawing.author_id != interaction.user.id:
            raise UserError("I show that only to the one who drew it.")
        seen = await bot.retrieval.canonicalise(await _bytes_of(bot, drawing))
        files = [
            discord.File(io.BytesIO(seen.subject), "subject.png"),
            discord.File(io.BytesIO(seen.page), "page.png"),
        ]
        await interaction.edit_original_response(view=_seen(seen), attachments=files)


class WhySelect(discord.ui.Select[Any]):
    """Shows where the drawing and one of its photos agree."""

    def __init__(self, drawing_id: int, results: Sequence[Result]) -> None:
        """Offer the photos of one card."""
        super().__init__(
            placeholder="Why this photo?…",
            options=[
                discord.SelectOption(
                    label=f"{result.rank}. {result.title}"[:100], value=str(result.rank)
                )
                for result in results
            ],
        )
        self._drawing_id = drawing_id

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Show it."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        bot: MagicPencil = interaction.client
        card = await _card(bot, self._drawing_id)
        (result,) = (one for one in card.results if str(one.rank) == self.values[0])
        async with bot.store.read() as session:
            searched = await bot.collections_of(session, interaction.guild_id)
        if result.collection not in searched:
            raise UserError("The collection of that photo is not searched here any more.")
        asked = Explain(await _bytes_of(bot, card.drawing), result.collection, result.photo_id)
        try:
            why = await bot.retrieval.explain(asked)
        except RetrievalError as error:
            if error.code in _NO_PHOTO:
                raise UserError("That photo is not there any more.") from error
            raise
        file = discord.File(io.BytesIO(why.picture), "why.jpg")
        await interaction.edit_original_response(view=_why(result, why), attachments=[file])


async def _card(bot: MagicPencil, drawing_id: int) -> StoredCard:
    """Return a card as it is now: its drawing may have been deleted since the menu opened."""
    async with bot.store.read() as session:
        card = await drawings.load_card(session, drawing_id)
    if card is None:
        raise UserError(_GONE)
    return card


async def _bytes_of(bot: MagicPencil, drawing: Drawing) -> bytes:
    try:
        return await asyncio.to_thread(bot.drawing_files.read, drawing.sha256)
    except FileNotFoundError:
        raise UserError("I do not have that drawing any more.") from None


def _seen(seen: Canonical) -> discord.ui.LayoutView:
    did = [words for step, words in _DONE.items() if step in seen.steps]
    told = f"I {', '.join(did)} and centred it." if did else "I only centred it."
    return _shown(
        f"### What I saw\n{told}\n"
        "-# Left: what is drawn. Right: where it lies on its page. I look for photos like these; "
        "a line that is missing here is a line that I did not see.",
        ("subject.png", "Your drawing as I saw it: its lines, dark on white, in the middle."),
        ("page.png", "The same lines where they lie on their page."),
    )


def _why(result: Result, why: Explanation) -> discord.ui.LayoutView:
    title = discord.utils.escape_markdown(result.title)[:300]
    drawn, taken = why.drawing_place, why.photo_place
    if drawn and taken:
        told = f"What agrees most is lit: the drawing's {drawn}, the photo's {taken}."
    else:
        told = "No part of them speaks for the match."
    if why.encoder != result.encoder:
        told += "\n-# My encoder is another one than when I found this."
    return _shown(
        f"### Why this photo?\n**{result.rank}. {title}**\n{told}",
        (
            "why.jpg",
            f"On the left the drawing, lit most at its {drawn or 'nothing'}; on the right the "
            f"photo “{result.title[:300]}”, lit most at its {taken or 'nothing'}.",
        ),
    )


def _shown(text: str, *pictures: tuple[str, str]) -> discord.ui.LayoutView:
    view = discord.ui.LayoutView(timeout=None)
    container: discord.ui.Container[discord.ui.LayoutView] = discord.ui.Container()
    container.add_item(discord.ui.TextDisplay(text))
    items = [
        discord.MediaGalleryItem(f"attachment://{name}", description=alt) for name, alt in pictures
    ]
    container.add_item(discord.ui.MediaGallery(*items))
    view.add_item(container)
    view.stop()  # nothing in it is tapped
    return view
