"""What people want gone goes: photos, drawings, or all that is kept of somebody.

Drawings and photos go with the message that they came from, or at a word; drawings that nobody
voted on go by themselves after a while. Rows go last: whatever fails on the way, or is killed, is
done again when it is asked for again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

import discord
import structlog

from bot.app import MagicPencil
from bot.store import added_photos, erasing, hall_posts
from bot.store.models import AddedPhoto, Drawing, utcnow
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import ChangePhotos

log = structlog.get_logger(__name__)

_AT_ONCE = 20  # drawings
_YOUNG = 86_400.0  # seconds in which a drawing's row may still come


async def messages_deleted(bot: MagicPencil, message_ids: Iterable[int]) -> None:
    """Erase the drawings and photos that came from messages that are gone."""
    ids = list(message_ids)
    async with bot.store.read() as session:
        photos = await added_photos.of_messages(session, ids)
        drawings = await erasing.drawings_of_messages(session, ids)
    await erase(bot, photos)
    await drawings_gone(bot, drawings)


async def person_left(bot: MagicPencil, user_id: int) -> erasing.PersonalData:
    """Erase all that is kept of a person, in every server; returns what it was."""
    async with bot.store.read() as session:
        data = await erasing.of_person(session, user_id)
    async with bot.store.write() as session:  # at once; messages in Discord take their time
        voted = await erasing.forget_person(session, user_id)
    for result_id in voted:
        bot.hall.touch(result_id)
    await drawings_gone(bot, data.drawings)
    await erase(bot, data.photos)
    await bot.store.wipe()
    log.info("a person's data erased", drawings=len(data.drawings), votes=len(data.votes))
    return data


async def drawings_gone(bot: MagicPencil, drawings: Sequence[Drawing]) -> None:
    """Erase drawings for good: their cards and posts in Discord, their rows and their files."""
    for start in range(0, len(drawings), _AT_ONCE):
        await _some_gone(bot, drawings[start : start + _AT_ONCE])
    if drawings:
        log.info("drawings erased", drawings=len(drawings))


async def _some_gone(bot: MagicPencil, drawings: Sequence[Drawing]) -> None:
    ids = [drawing.id for drawing in drawings]
    async with bot.store.read() as session:
        posts = await hall_posts.of_drawings(session, ids)
    messages = [(drawing.card_channel_id, drawing.card_message_id) for drawing in drawings]
    messages += [(post.channel_id, post.message_id) for post in posts]
    await asyncio.gather(*(_delete_message(bot, *message) for message in messages))
    async with bot.store.write() as session:
        await hall_posts.forget(session, [post.id for post in posts])
        await erasing.delete_drawings(session, ids)
        # Under the lock of the one writer: nobody records the same file's drawing meanwhile.
        unused = await erasing.unused(session, {drawing.sha256 for drawing in drawings})
        for sha256 in unused:
            await asyncio.to_thread(bot.drawing_files.delete, sha256)


async def expire(bot: MagicPencil, days: int) -> int:
    """Erase the drawings that nobody voted on for so many days; their cards stay in Discord."""
    async with bot.store.read() as session:
        before = utcnow() - timedelta(days=days)
        old = await erasing.drawings_nobody_voted_on(session, before)
    for drawing in old:
        drawing.card_message_id = None
    await drawings_gone(bot, old)
    return len(old)


async def sweep(bot: MagicPencil) -> int:
    """Delete the files of drawings that no row knows: a crash came between the two, or a backup."""
    files = await asyncio.to_thread(bot.drawing_files.older_than, _YOUNG)
    if not files:
        return 0
    async with bot.store.write() as session:
        unused = await erasing.unused(session, files)
        for sha256 in unused:
            await asyncio.to_thread(bot.drawing_files.delete, sha256)
    return len(unused)


async def _delete_message(bot: MagicPencil, channel_id: int | None, message_id: int | None) -> None:
    if channel_id is None or message_id is None:
        return
    channel = bot.get_partial_messageable(channel_id)
    try:
        await channel.get_partial_message(message_id).delete()
    except discord.HTTPException as error:
        if not isinstance(error, discord.NotFound):
            log.warning("message not deleted", status=error.status)


async def erase(bot: MagicPencil, photos: Sequence[AddedPhoto]) -> int:
    """Erase photos for good: files, thumbnails, embeddings, and the indexes that name them."""
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
