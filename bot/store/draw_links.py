"""Links to the drawing page that were opened: by which browser, and whether they were used.

A link that nobody opened has no row; a row names no person.
"""

from datetime import timedelta

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import DrawLink, utcnow


async def opened(session: AsyncSession, nonce: str, browser: str, kept_seconds: float) -> DrawLink:
    """Return a link that a browser opens; if it was opened before, as it was then.

    Links opened more than ``kept_seconds`` ago, when even the newest has expired, are forgotten.
    """
    old = DrawLink.opened_at < utcnow() - timedelta(seconds=kept_seconds)
    await session.execute(delete(DrawLink).where(old))
    try:
        async with session.begin_nested():
            session.add(link := DrawLink(nonce=nonce, browser=browser))
    except IntegrityError:
        known = await find(session, nonce)
        assert known is not None  # noqa: S101 - rows go long after their links have expired
        return known
    return link


async def find(session: AsyncSession, nonce: str) -> DrawLink | None:
    """Return a link that was opened, None for any other."""
    return await session.get(DrawLink, nonce)


async def use(session: AsyncSession, nonce: str) -> bool:
    """Use a link up; of several at once, one gets True."""
    unused = update(DrawLink).where(DrawLink.nonce == nonce, DrawLink.used_at.is_(None))
    used = await session.execute(unused.values(used_at=utcnow()).returning(DrawLink.nonce))
    return used.scalar() is not None


async def give_back(session: AsyncSession, nonce: str) -> None:
    """Make a link good again, because nothing came of its use."""
    await session.execute(update(DrawLink).where(DrawLink.nonce == nonce).values(used_at=None))


async def remember(session: AsyncSession, nonce: str, drawing_id: int) -> None:
    """Remember what a link was used for."""
    query = update(DrawLink).where(DrawLink.nonce == nonce)
    await session.execute(query.values(drawing_id=drawing_id))
