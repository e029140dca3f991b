"""Photos go when their owner wants them to: with the message that they came from, or at a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog

from bot.app import MagicPencil
from bot.store import added_photos
from bot.store.models import AddedPhoto
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import ChangePhotos

log = structlog.get_logger(__name__)


async def messages_deleted(bot: MagicPencil, message_ids: Iterable[int]) -> int:
    """Erase the photos that came from messages that are gone; returns how many."""
    async with bot.store.read() as session:
        photos = await added_photos.of_messages(session, message_ids)
    return await erase(bot, photos)


async def person_left(bot: MagicPencil, user_id: int) -> int:
    """Erase the photos that a person posted, in every server; returns how many."""
    async with bot.store.read() as session:
        photos = await added_photos.of_author(session, user_id)
    return await erase(bot, photos)


async def erase(bot: MagicPencil, photos: Sequence[AddedPhoto]) -> int:
    """Erase photos for good: files, thumbnails, embeddings, and the indexes that name them.

    Their rows go last: whatever fails on the way is done again when it is asked for again.
    """
    by_collection = defaultdict(list)
    for photo in photos:
        by_collection[photo.collection].append(photo.photo_id)
    for collection, ids in by_collection.items():
        await _erase_from(bot, collection, ids)
        async with bot.store.write() as session:
            await added_photos.forget(session, collection, ids)
    if photos:  # most messages that are deleted held none
        log.info("photos erased", photos=len(photos))
    return len(photos)


async def _erase_from(bot: MagicPencil, collection: str, ids: Sequence[str]) -> None:
    try:
        await bot.retrieval.change_photos(ChangePhotos(collection, tuple(ids), "erased"))
    except RetrievalError as error:
        if error.code != "unknown_collection":
            raise
        return  # the host deleted it, and its photos with it
    try:
        await bot.keeper.refresh(collection)
    except RetrievalError as error:
        # The files are gone; the next build, at the latest after a restart, does the rest.
        log.warning("index not refreshed", collection=collection, reason=error.code)
