"""What tests of votes have in hand: a card, its buttons, and people who tap them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from bot.store.models import Drawing, Result
from tests import drawings
from tests.acting import buttons
from tests.conftest import World

FISH = ("fish.png", drawings.render_png("fish"))


async def card(w: World, who: Any = None, channel: Any = None) -> Any:
    """Return the card of a drawing that somebody sends."""
    answered = await (who or w.mia).slash(channel or w.channel, "match", drawing=FISH)
    return answered.response


def vote_id(message: Any, rank: int, kind: str) -> str:
    """Return the custom id of a vote button by the photo's rank."""
    ids = [custom_id for custom_id in buttons(message) if custom_id.endswith(":" + kind)]
    return ids[rank - 1]


def crowd(w: World, size: int) -> list[Any]:
    """Add so many members to the server."""
    return [w.guild.add_member(w.env.create_user(f"voter{n}")) for n in range(size)]


async def votes(message: Any, voters: list[Any], rank: int, kind: str) -> None:
    """Let everybody vote the same of one photo."""
    for voter in voters:
        await voter.click(message, custom_id=vote_id(message, rank, kind))


def download(w: World, attachment: Any) -> bytes:
    """Return the bytes of something attached to a message."""
    data = w.env.backend.cdn.get(attachment.url)
    assert data is not None
    return data


async def soon(w: World) -> None:
    """Let the time pass in which votes are gathered."""
    await w.env.advance_time(5)


async def stored(w: World) -> list[Drawing]:
    async with w.services.store.read() as session:
        return list(await session.scalars(select(Drawing).order_by(Drawing.id)))


async def result_at(w: World, rank: int) -> Result:
    async with w.services.store.read() as session:
        query = select(Result).where(Result.rank == rank).order_by(Result.id)
        return (await session.scalars(query)).first()


async def set_drawings(w: World, **values: Any) -> None:
    """Change all stored drawings."""
    async with w.services.store.write() as session:
        await session.execute(update(Drawing).values(**values))


async def choose_setting(w: World, **values: Any) -> None:
    """Set what moderators choose in /settings."""
    from bot.store import server_settings

    async with w.services.store.write() as session:
        await server_settings.change(session, w.guild.id, w.moderator.id, **values)
