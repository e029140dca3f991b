"""Where photos of collections came from; the photos themselves are the worker's."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.store.models import AddedPhoto


async def record(session: AsyncSession, photo: AddedPhoto) -> None:
    """Remember where a photo came from; one that is known stays its first owner's."""
    known = select(AddedPhoto.id).where(
        AddedPhoto.collection == photo.collection, AddedPhoto.photo_id == photo.photo_id
    )
    if await session.scalar(known) is None:
        session.add(photo)
        await session.flush()


async def known_attachments(
    session: AsyncSession, collection: str, attachment_ids: Collection[int]
) -> set[int]:
    """Return those of the attachments that a collection's photos came from."""
    query = select(AddedPhoto.attachment_id).where(
        AddedPhoto.collection == collection, AddedPhoto.attachment_id.in_(attachment_ids)
    )
    return {found for found in await session.scalars(query) if found is not None}


async def of_messages(session: AsyncSession, message_ids: Iterable[int]) -> Sequence[AddedPhoto]:
    """Return the photos that came from messages."""
    query = select(AddedPhoto).where(AddedPhoto.message_id.in_(list(message_ids)))
    return (await session.scalars(query)).all()


async def of_author(session: AsyncSession, author_id: int) -> Sequence[AddedPhoto]:
    """Return the photos that a person posted, in every collection."""
    query = select(AddedPhoto).where(AddedPhoto.author_id == author_id)
    return (await session.scalars(query)).all()


async def forget(session: AsyncSession, collection: str, photo_ids: Iterable[str]) -> None:
    """Forget where photos came from: they are gone for good."""
    await session.execute(
        delete(AddedPhoto).where(
            AddedPhoto.collection == collection, AddedPhoto.photo_id.in_(list(photo_ids))
        )
    )
