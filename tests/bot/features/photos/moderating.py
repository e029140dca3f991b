"""What a moderator has in hand: photos to post, and what the server's own collection holds."""

from __future__ import annotations

import io

from tests.acting import pictures
from tests.conftest import World, paint


def photo(number: int) -> tuple[str, bytes]:
    """Return an attachment: the painting of that number."""
    buffer = io.BytesIO()
    paint(number, 320).save(buffer, "PNG")
    return f"painting-{number}.png", buffer.getvalue()


async def titles(w: World, who=None, **options) -> list[str]:
    """Return the titles that autocomplete offers, which is all that there are."""
    who = who or w.moderator
    found = await who.autocomplete(w.channel, "photos remove", "photo", "", **options)
    return [choice["name"] for choice in found]


async def chosen(w: World, title: str) -> str:
    """Return what autocomplete would send for a title."""
    found = await w.moderator.autocomplete(w.channel, "photos remove", "photo", title)
    assert len(found) == 1, found
    return found[0]["value"]


async def found_for(w: World, number: int) -> list[str]:
    """Return what a member gets for the very painting, photo by photo."""
    card = await w.mia.slash(w.channel, "match", drawing=photo(number))
    return [item["description"] for item in pictures(card.response)[1:]]
