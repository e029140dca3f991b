"""Photos go for good, with every trace, when the person who posted them wants it."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from bot import moderators
from bot.store import added_photos
from bot.store.models import AddedPhoto
from retrieval import index
from tests.acting import texts
from tests.bot.features.photos.moderating import chosen, found_for, photo, titles


async def test_a_photo_of_a_message_is_credited_to_its_author_and_goes_with_the_message(
    world, worker
):
    async with world as w:
        message = await w.mia.send(w.channel, "my dog", attachments=[photo(43)])
        result = await w.moderator.context_menu(w.channel, "Add to photo collection", message)
        assert "1 new: **Painting 43**" in result.response.content
        page = texts((await w.moderator.slash(w.channel, "photos list")).response)
        assert "Painting 43" in page
        assert f"mia · {message.jump_url}" in page.replace("\\", "")
        photo_id = await chosen(w, "Painting 43")
        home, own = worker.home, worker.home.collection(moderators.own_collection(w.guild.id))
        # Twice more built, so that older generations would still name it.
        for number in (44, 45):
            await w.moderator.slash(w.channel, "photos add", photo=photo(number))
        assert len(index.finished(own)) == 3

        await w.mia.delete(message)
        await w.env.settle()
        assert sorted(await titles(w)) == ["Painting 44", "Painting 45"]
        assert not any("Painting 43" in one for one in await found_for(w, 43))
        async with w.services.store.read() as session:
            assert len((await session.scalars(select(AddedPhoto))).all()) == 2
        traces = [
            path
            for path in home.root.rglob("*")
            if photo_id in path.name
            or (path.is_file() and photo_id.encode() in path.read_bytes())
            or (path.is_file() and bytes.fromhex(photo_id) in path.read_bytes())
        ]
        # SQLite leaves a deleted row's bytes in a free page until it is used again.
        assert [path for path in traces if ".sqlite" not in path.name] == []
        assert index.finished(own) == [index.current_id(own)]


async def test_a_person_asks_for_their_photos_to_go_and_they_go_everywhere(world):
    async with world as w:
        nothing = await w.mia.slash(w.channel, "privacy photos")
        assert "None of the photos" in nothing.response.content
        for number in (101, 102):
            message = await w.mia.send(w.channel, attachments=[photo(number)])
            await w.moderator.context_menu(w.channel, "Add to photo collection", message)
        await w.moderator.slash(w.channel, "photos add", photo=photo(103))
        asked = await w.mia.slash(w.channel, "privacy photos")
        assert asked.response.ephemeral
        assert "2 photos that I know came from you" in asked.response.content
        assert len(await titles(w)) == 3
        await w.mia.click(asked.response, label="Delete them")
        assert "2 photos deleted for good" in asked.response.content
        assert await titles(w) == ["Painting 103"]
        assert not any("Painting 101" in one for one in await found_for(w, 101))


async def test_photos_go_also_when_another_collection_was_deleted_by_the_host(world, worker):
    async with world as w:
        message = await w.mia.send(w.channel, attachments=[photo(104)])
        async with w.services.store.write() as session:
            gone = AddedPhoto(
                collection="server-1", photo_id="0" * 64, author_id=w.mia.id, added_by=w.mia.id
            )
            await added_photos.record(session, gone)
        await w.moderator.context_menu(w.channel, "Add to photo collection", message)
        asked = await w.mia.slash(w.channel, "privacy photos")
        await w.mia.click(asked.response, label="Delete them")
        assert "2 photos deleted for good" in asked.response.content
        assert await titles(w) == []
        async with w.services.store.read() as session:
            assert await added_photos.of_author(session, w.mia.id) == []


async def test_a_deleted_message_without_photos_is_not_worth_a_line_in_the_log(world):
    async with world as w:
        message = await w.mia.send(w.channel, "only words")
        with structlog.testing.capture_logs() as logs:
            await w.mia.delete(message)
            await w.env.settle()
        assert not any(log["event"] == "photos erased" for log in logs)
