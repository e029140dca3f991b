"""What moderators chose for their server; a server that chose nothing has no row."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import ServerSettings, utcnow


async def get(session: AsyncSession, guild_id: int) -> ServerSettings:
    """Return a server's settings, or the defaults (not stored) when it has none."""
    stored = await session.get(ServerSettings, guild_id)
    return stored or ServerSettings(guild_id=guild_id, updated_at=utcnow())


async def change(session: AsyncSession, guild_id: int, by: int, **values: Any) -> None:
    """Change some of a server's settings, by the names of their columns."""
    settings = await get(session, guild_id)
    for name, value in values.items():
        setattr(settings, name, value)
    settings.updated_by = by
    session.add(settings)
    await session.flush()


async def drawing_channel(session: AsyncSession, guild_id: int) -> int | None:
    """Return the channel where every drawing is answered, None when there is none."""
    query = select(ServerSettings.drawing_channel_id).where(ServerSettings.guild_id == guild_id)
    return await session.scalar(query)
