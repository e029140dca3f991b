"""Members whom a server's moderators do not want answered are told so, and not served."""

from __future__ import annotations

from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import people

_YOU = (
    "The moderators of this server asked me not to answer you here. If you think that this is a "
    "mistake, please talk to them. `/privacy` works for you as ever."
)
_THEM = "The moderators of this server asked me not to answer this member's drawings."


async def refuse_blocked(
    bot: MagicPencil, guild_id: int | None, user_id: int, *, asker: bool = True
) -> None:
    """Raise UserError if a member is blocked, worded for them or for whoever asked about them."""
    if guild_id is None:
        return
    async with bot.store.read() as session:
        key = bot.member_keys.of(guild_id, user_id)
        if await people.is_blocked(session, guild_id, key):
            raise UserError(_YOU if asker else _THEM)
