"""Photos are listed, described, removed and brought back, on pages and from result cards."""

from __future__ import annotations

from tests.acting import button, menus, options, pictures, texts
from tests.bot.features.photos.moderating import chosen, found_for, photo, titles
from tests.conftest import open_world


async def test_pages_are_turned_searched_pruned_and_undone(world):
    async with world as w:
        attachments = {f"photo{n or ''}": photo(70 + n) for n in (0, 2, 3, 4, 5, 6, 7)}
        await w.moderator.slash(w.channel, "photos add", **attachments)
        first = await w.moderator.slash(w.channel, "photos list")
        assert first.response.ephemeral
        assert "7 photos" in texts(first.response)
        assert len(first.response.attachments) == 5
        await w.moderator.click(first.response, label="Older ▶")
        assert "6 to 7" in texts(first.response)
        assert len(first.response.attachments) == 2

        found = await w.moderator.slash(w.channel, "photos search", words="painting 74")
        assert "1 photo" in texts(found.response)
        await w.moderator.select(found.response, [await chosen(w, "Painting 74")])
        assert "1 removed. For 7 days" in texts(found.response)
        assert "Painting 74" not in await titles(w)
        assert not any("Painting 74" in one for one in await found_for(w, 74))

        removed = await w.moderator.slash(w.channel, "photos removed")
        assert "Painting 74" in texts(removed.response)
        assert "deleted for good <t:" in texts(removed.response)
        ids = [o["value"] for o in options(removed.response)]
        await w.moderator.select(removed.response, ids)
        assert "Painting 74" in await titles(w)
        assert any("Painting 74" in one for one in await found_for(w, 74))


async def test_what_somebody_else_removed_meanwhile_is_not_counted(world):
    async with world as w:
        for number in (77, 78):
            await w.moderator.slash(w.channel, "photos add", photo=photo(number))
        pages = await w.moderator.slash(w.channel, "photos list")
        gone = await chosen(w, "Painting 77")
        await w.moderator.slash(w.channel, "photos remove", photo=gone)
        await w.moderator.select(pages.response, [o["value"] for o in options(pages.response)])
        assert "1 removed. For 7 days" in texts(pages.response)
        assert await titles(w) == []


async def test_a_removal_can_be_undone_at_once_and_a_title_changed(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(80), title="A hrose")
        photo_id = await chosen(w, "A hrose")
        edited = await w.moderator.slash(w.channel, "photos edit", photo=photo_id, title="A horse")
        assert "Changed" in edited.response.content
        assert any("A horse" in one for one in await found_for(w, 80))

        gone = await w.moderator.slash(w.channel, "photos remove", photo=photo_id)
        assert await titles(w) == []
        assert not any("A horse" in one for one in await found_for(w, 80))
        await w.moderator.click(gone.response, label="Undo")
        assert await titles(w) == ["A horse"]
        assert any("A horse" in one for one in await found_for(w, 80))

        nothing = await w.moderator.slash(w.channel, "photos edit", photo=photo_id)
        assert "Say what to change" in nothing.response.content
        unknown = await w.moderator.slash(w.channel, "photos remove", photo="../../etc/passwd")
        assert "no such photo" in unknown.response.content


async def test_a_moderator_removes_a_photo_from_a_card_and_a_member_cannot(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(81), title="Rude")
        card = await w.mia.slash(w.channel, "match", drawing=photo(81))
        assert any("Rude" in item["description"] for item in pictures(card.response))
        more = button(card.response, "More…")
        seen = await w.mia.click(card.response, custom_id=more)
        assert seen.response.ephemeral
        assert "Rude" in texts(seen.response)
        for menu in menus(seen.response):  # nothing to remove for a member
            assert "Remove" not in menu["placeholder"]

        menu = await w.moderator.click(card.response, custom_id=more)
        removing = menus(menu.response)[1]
        (option,) = removing["options"]  # not the photos that the host published
        assert "Rude" in option["label"]
        told = await w.moderator.select(
            menu.response, [option["value"]], custom_id=removing["custom_id"]
        )
        assert "Removed: it is not found any more" in told.followups[0].content
        assert not any("Rude" in one for one in await found_for(w, 81))


async def test_removed_photos_survive_a_restart_of_bot_and_its_buttons(settings):
    async with open_world(settings, own_worker=False) as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(97), title="Kept")
        card = await w.mia.slash(w.channel, "match", drawing=photo(97))
        await w.restart()
        more = button(card.response, "More…")
        menu = await w.moderator.click(card.response, custom_id=more)
        assert "Kept" in texts(menu.response)
