"""The messages in hall of fame channels, and which results they are of."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import Drawing, HallPost, Result

VOTES = 3  # of one kind, good or funny, that bring a result there if moderators chose no number


async def of_result(session: AsyncSession, result_id: int) -> HallPost | None:
    """Return the post of a result."""
    return await session.scalar(select(HallPost).where(HallPost.result_id == result_id))


async def of_drawings(session: AsyncSession, drawing_ids: Collection[int]) -> Sequence[HallPost]:
    """Return the posts of drawings."""
    query = (
        select(HallPost)
        .join(Result, Result.id == HallPost.result_id)
        .where(Result.drawing_id.in_(drawing_ids))
    )
    return (await session.scalars(query)).all()


async def results_of_artist(session: AsyncSession, user_id: int) -> Sequence[int]:
    """Return the photos with a post that were found for a person's drawings."""
    query = (
        select(Result.id)
        .join(HallPost, HallPost.result_id == Result.id)
        .join(Drawing, Drawing.id == Result.drawing_id)
        .where(Drawing.author_id == user_id)
    )
    return (await session.scalars(query)).all()


async def save(session: AsyncSession, post: HallPost) -> None:
    """Keep a post, new or changed."""
    await session.merge(post)
    await session.flush()


async def orphans(session: AsyncSession) -> Sequence[HallPost]:
    """Return the posts that are to be taken down: their result, card or message is gone."""
    query = (
        select(HallPost)
        .outerjoin(Result, Result.id == HallPost.result_id)
        .outerjoin(Drawing, Drawing.id == Result.drawing_id)
        .where(
            or_(
                Result.id.is_(None),
                and_(
                    ~HallPost.removed,
                    or_(Drawing.card_message_id.is_(None), HallPost.message_id.is_(None)),
                ),
            )
        )
    )
    return (await session.scalars(query)).all()


async def forget(session: AsyncSession, post_ids: Collection[int]) -> None:
    """Forget posts that were taken down."""
    await session.execute(delete(HallPost).where(HallPost.id.in_(post_ids)))


async def removed(session: AsyncSession, message_ids: Collection[int]) -> None:
    """Remember that somebody deleted the messages of posts: they are not posted again."""
    await session.execute(
        update(HallPost)
        .where(HallPost.message_id.in_(message_ids))
        .values(removed=True, message_id=None)
    )
