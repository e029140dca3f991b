"""The result card: a drawing, the photos that look most like it, and a way to vote on each.

Made from what is stored, so that it can be made again at any time with the tallies of that time. A
message holds at most 40 components; a card of five photos has 40.
"""

from __future__ import annotations

import discord

from bot.store.drawings import StoredCard
from bot.store.models import Result, VoteKind
from bot.store.votes import Tally
from bot.ui.more_button import MoreButton
from bot.ui.vote_button import VoteButton
from retrieval.serving.messages import Confidence

DRAWING_FILE = "drawing.png"
_ACCENT = discord.Colour(0xF2B134)
_LONGEST_ALT = 1024
_LONGEST_TEXT = 300
_HEADING = "### ✏️"
_SURE = {
    "sure": "Pretty sure",
    "guess": "A guess",
    "lost": "No idea, but here is what came closest",
}


def in_words(confidence: Confidence | None) -> str:
    """Return the line that says how sure an answer is; empty if nobody knows."""
    if confidence is None:
        return ""
    return f"-# {_SURE[confidence.level]} ({confidence.probability:.0%})"


def confidence_on(message: discord.Message) -> str:
    """Return that line as a card shows it already, so that the card can be made again with it."""
    for component in message.components:
        for item in getattr(component, "children", ()):
            text = getattr(item, "content", "")
            if text.startswith(_HEADING):
                return str(text).partition("\n")[2]
    return ""


def photo_file(rank: int) -> str:
    """Return the name under which the photo of this rank is attached."""
    return f"photo-{rank}.jpg"


class ResultCard(discord.ui.LayoutView):
    """The card of one drawing."""

    def __init__(
        self, card: StoredCard, *, with_photos: frozenset[int], confidence: str = ""
    ) -> None:
        """Lay out a card.

        Args:
            card: what is stored of it.
            with_photos: the ranks whose pictures are attached to the message.
            confidence: how sure the answer is, one line; it is stored in the message alone.
        """
        super().__init__(timeout=None)
        container: discord.ui.Container[ResultCard] = discord.ui.Container(accent_colour=_ACCENT)
        container.add_item(
            discord.ui.TextDisplay(
                f"{_HEADING} What looks most like <@{card.drawing.author_id}>'s drawing?"
                + (f"\n{confidence}" if confidence else "")
            )
        )
        container.add_item(_picture(DRAWING_FILE, "The drawing."))
        for result in card.results:
            for item in _photo(result, card.tallies[result.id], result.rank in with_photos):
                container.add_item(item)
        row: discord.ui.ActionRow[ResultCard] = discord.ui.ActionRow()
        row.add_item(MoreButton(card.drawing.id))
        container.add_item(row)
        self.add_item(container)
        # Its buttons are dynamic items, answered by their ids: discord.py need not keep the view.
        self.stop()


def _photo(result: Result, tally: Tally, attached: bool) -> list[discord.ui.Item[ResultCard]]:
    title = discord.utils.escape_markdown(result.title)[:_LONGEST_TEXT]
    credit = discord.utils.escape_markdown(result.credit)[:_LONGEST_TEXT]
    small = f"-# similarity {result.score:.2f}" + (f" · photo: {credit}" if credit else "")
    text: discord.ui.TextDisplay[ResultCard] = discord.ui.TextDisplay(
        f"**{result.rank}. {title}**\n{small}"
    )
    row: discord.ui.ActionRow[ResultCard] = discord.ui.ActionRow()
    for kind in VoteKind:
        row.add_item(VoteButton(result.id, kind, tally[kind]))
    alt = f"Photo {result.rank}: {result.title}." + (f" By {result.credit}." if credit else "")
    picture = [_picture(photo_file(result.rank), alt)] if attached else []
    return [discord.ui.Separator(), text, *picture, row]


def _picture(filename: str, alt: str) -> discord.ui.MediaGallery[ResultCard]:
    item = discord.MediaGalleryItem(f"attachment://{filename}", description=alt[:_LONGEST_ALT])
    return discord.ui.MediaGallery(item)
