"""What is searched follows from what moderators chose, went back to and took away."""

from __future__ import annotations

import re

from bot import moderators
from retrieval import index
from tests.acting import menus, options, texts
from tests.bot.features.photos.moderating import chosen, found_for, photo


async def test_searching_is_chosen_in_the_panel(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(93), title="Own")
        assert len(await found_for(w, 93)) == 5  # own and shared ones
        panel = await w.moderator.slash(w.channel, "settings")
        own = moderators.own_collection(w.guild.id)
        assert {o["value"] for o in options(panel.response)} >= {own, "shared"}
        menu = menus(panel.response)[0]["custom_id"]
        await w.moderator.select(panel.response, [own], custom_id=menu)
        assert "1 collection searched" in texts(panel.response)
        assert len(await found_for(w, 93)) == 1


async def test_going_back_serves_an_earlier_index_and_verify_finds_a_changed_byte(world, worker):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(94), title="One")
        await w.moderator.slash(w.channel, "photos add", photo=photo(95), title="Two")
        menu = await w.moderator.slash(w.channel, "index rollback")
        (option,) = options(menu.response)
        assert re.fullmatch(r"1 photo · \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", option["label"])
        await w.moderator.select(menu.response, [option["value"]])
        assert "serves now" in menu.response.content
        assert not any("Two" in one for one in await found_for(w, 95))
        await w.moderator.slash(w.channel, "index rebuild")
        assert any("Two" in one for one in await found_for(w, 95))

        good = await w.moderator.slash(w.channel, "index verify")
        assert "3 generations checked, nothing is damaged" in good.response.content
        folder = worker.home.collection(moderators.own_collection(w.guild.id))
        file = folder / "generations" / index.finished(folder)[-1] / "index.faiss"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        bad = await w.moderator.slash(w.channel, "index verify")
        assert "Damaged on the disk" in bad.response.content


async def test_a_damaged_index_is_told_from_one_that_is_not_there(world, worker):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(94), title="One")
        folder = worker.home.collection(moderators.own_collection(w.guild.id))
        (folder / "generations" / index.finished(folder)[0] / "manifest.json").write_text("{}")
        status = await w.moderator.slash(w.channel, "index status")
        assert "The index of this server's photos is damaged" in status.response.content
        assert "`/index rebuild` makes a new one" in status.response.content
        await w.moderator.slash(w.channel, "index rebuild")
        status = await w.moderator.slash(w.channel, "index status")
        assert "**1 photo** of this server" in status.response.content


async def test_the_last_photo_can_go_and_then_only_shared_ones_are_found(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(96), title="Only one")
        gone = await w.moderator.slash(
            w.channel, "photos remove", photo=await chosen(w, "Only one")
        )
        assert "Removed" in gone.response.content
        assert not any("Only one" in one for one in await found_for(w, 96))
        assert (
            "no photos of its own"
            in (await w.moderator.slash(w.channel, "index status")).response.content
        )
