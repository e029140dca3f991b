"""Which photo collections are searched for whom."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot import moderators
from bot.settings import Settings
from bot.store import server_settings


async def searched(
    settings: Settings, session: AsyncSession, guild_id: int | None
) -> tuple[str, ...]:
    """Return the photo collections that a server (or a direct message) searches."""
    if guild_id is None:
        return (settings.collection,)
    chosen = (await server_settings.get(session, guild_id)).collections
    return tuple(chosen or (moderators.own_collection(guild_id), settings.collection))
