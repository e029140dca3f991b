"""What moderators chose for their server; a server that chose nothing has no row."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import ServerSettings, utcnow


async def get(session: AsyncSession, guild_id: int) -> ServerSettings:
    """Return a server's settings, or the defaults (not stored) when it has none."""
    stored = await session.get(ServerSettings, guild_id)
    return stored or ServerSettings(guild_id=guild_id, updated_at=utcnow())


async def set_drawing_channel(
    session: AsyncSession, guild_id: int, channel_id: int | None, by: int
) -> None:
    """Answer every drawing in this channel; None answers in no channel unasked."""
    settings = await get(session, guild_id)
    settings.drawing_channel_id, settings.updated_by = channel_id, by
    session.add(settings)
    await session.flush()


async def drawing_channel(session: AsyncSession, guild_id: int) -> int | None:
    """Return the channel where every drawing is answered, None when there is none."""
    query = select(ServerSettings.drawing_channel_id).where(ServerSettings.guild_id == guild_id)
    return await session.scalar(query)
