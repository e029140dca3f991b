"""What people agreed to, and whom moderators do not want answered."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import BlockedMember, Consent, GivenConsent, utcnow


async def agree(session: AsyncSession, user_id: int, consent: Consent, text_version: int) -> None:
    """Record that a person agreed, now, to this version of the text."""
    await session.merge(
        GivenConsent(
            user_id=user_id, consent=consent, text_version=text_version, agreed_at=utcnow()
        )
    )
    await session.flush()


async def withdraw(session: AsyncSession, user_id: int, consent: Consent) -> None:
    """Forget that a person agreed."""
    await session.execute(
        delete(GivenConsent).where(GivenConsent.user_id == user_id, GivenConsent.consent == consent)
    )


async def consents(session: AsyncSession, user_id: int) -> Sequence[GivenConsent]:
    """Return what a person agreed to."""
    query = select(GivenConsent).where(GivenConsent.user_id == user_id)
    return (await session.scalars(query.order_by(GivenConsent.consent))).all()


async def agreed(
    session: AsyncSession, user_ids: Collection[int], consent: Consent
) -> frozenset[int]:
    """Return those of the people who agreed."""
    query = select(GivenConsent.user_id).where(
        GivenConsent.user_id.in_(user_ids), GivenConsent.consent == consent
    )
    return frozenset(await session.scalars(query))


async def block(
    session: AsyncSession, guild_id: int, member_key: str, user_id: int, by: int
) -> None:
    """Block a member of a server; nothing changes if they are."""
    if not await is_blocked(session, guild_id, member_key):
        session.add(
            BlockedMember(guild_id=guild_id, member_key=member_key, user_id=user_id, blocked_by=by)
        )
        await session.flush()


async def unblock(session: AsyncSession, guild_id: int, member_key: str) -> bool:
    """Unblock a member; returns whether they were blocked."""
    gone = await session.scalars(
        delete(BlockedMember)
        .where(BlockedMember.guild_id == guild_id, BlockedMember.member_key == member_key)
        .returning(BlockedMember.id)
    )
    return bool(gone.all())


async def is_blocked(session: AsyncSession, guild_id: int, member_key: str) -> bool:
    """Say whether a server's moderators blocked a member."""
    query = select(BlockedMember.id).where(
        BlockedMember.guild_id == guild_id, BlockedMember.member_key == member_key
    )
    return await session.scalar(query) is not None


async def blocked(session: AsyncSession, guild_id: int) -> Sequence[BlockedMember]:
    """Return whom a server's moderators blocked, the newest first."""
    query = select(BlockedMember).where(BlockedMember.guild_id == guild_id)
    return (await session.scalars(query.order_by(BlockedMember.id.desc()))).all()
