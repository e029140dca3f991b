"""The history of index builds, one row each, in numbers."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import ERROR_LENGTH, BuildState, IndexBuild, utcnow


async def start(
    session: AsyncSession,
    collection: str,
    *,
    guild_id: int | None = None,
    requested_by: int | None = None,
) -> IndexBuild:
    """Record that a build of a collection has begun."""
    build = IndexBuild(collection=collection, guild_id=guild_id, requested_by=requested_by)
    session.add(build)
    await session.flush()
    return build


async def finish(
    session: AsyncSession,
    build_id: int,
    *,
    generation: str,
    photos: int,
    added: int,
    unchanged: int,
    unreadable: int,
    seconds: float,
) -> None:
    """Record that a build is published, with its outcome."""
    await session.execute(
        update(IndexBuild)
        .where(IndexBuild.id == build_id)
        .values(
            state=BuildState.DONE,
            finished_at=utcnow(),
            generation=generation,
            photos=photos,
            added=added,
            unchanged=unchanged,
            unreadable=unreadable,
            seconds=seconds,
            error=None,
        )
    )


async def fail(
    session: AsyncSession, build_id: int, error: str, *, seconds: float | None = None
) -> None:
    """Record that a build failed, and why in a sentence (the rest is cut off)."""
    values = {"state": BuildState.FAILED, "finished_at": utcnow(), "error": error[:ERROR_LENGTH]}
    if seconds is not None:
        values["seconds"] = seconds
    await session.execute(update(IndexBuild).where(IndexBuild.id == build_id).values(values))


async def latest(session: AsyncSession, collection: str, n: int = 1) -> Sequence[IndexBuild]:
    """Return the last `n` builds of a collection, newest first."""
    query = (
        select(IndexBuild)
        .where(IndexBuild.collection == collection)
        .order_by(IndexBuild.id.desc())
        .limit(n)
    )
    return (await session.scalars(query)).all()


async def abandon_running(session: AsyncSession) -> int:
    """Mark builds that died with their process as failed, at start-up; return how many."""
    abandoned = await session.scalars(
        update(IndexBuild)
        .where(IndexBuild.state == BuildState.RUNNING)
        .values(
            state=BuildState.FAILED,
            finished_at=utcnow(),
            error="The program stopped before the build was finished.",
        )
        .returning(IndexBuild.id)
    )
    return len(abandoned.all())
