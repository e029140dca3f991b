"""Moderators fill, describe, prune and undo their server's own photos; nobody else's."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Iterator

import discord
import pytest
import structlog
from sqlalchemy import select

from bot import moderators
from bot.store.models import AddedPhoto
from retrieval import index
from tests.acting import button, menus, options, pictures, texts
from tests.conftest import RunningWorker, World, open_world, paint

COMMANDS: dict[str, dict[str, object]] = {
    "photos list": {},
    "photos removed": {},
    "photos search": {"words": "dog"},
    "photos add": {"photo": ("a.png", b"x")},
    "photos remove": {"photo": "0" * 64},
    "photos edit": {"photo": "0" * 64, "title": "Mine now"},
    "index rebuild": {},
    "index status": {},
    "index cancel": {},
    "index rollback": {},
    "index verify": {},
}


def photo(number: int) -> tuple[str, bytes]:
    """Return an attachment: the painting of that number."""
    buffer = io.BytesIO()
    paint(number, 320).save(buffer, "PNG")
    return f"painting-{number}.png", buffer.getvalue()


@pytest.fixture(autouse=True)
def own_collections(worker: RunningWorker) -> Iterator[None]:
    """Leave no server's collection to the next test: simulated servers have the same ids."""
    yield
    for folder in worker.home.collections.glob("server-*"):
        shutil.rmtree(folder)


async def titles(w: World, who=None, **options) -> list[str]:
    """Return the titles that autocomplete offers, which is all that there are."""
    who = who or w.moderator
    found = await who.autocomplete(w.channel, "photos remove", "photo", "", **options)
    return [choice["name"] for choice in found]


async def chosen(w: World, title: str) -> str:
    """Return what autocomplete would send for a title."""
    found = await w.moderator.autocomplete(w.channel, "photos remove", "photo", title)
    assert len(found) == 1, found
    return found[0]["value"]


async def found_for(w: World, number: int) -> list[str]:
    """Return what a member gets for the very painting, photo by photo."""
    card = await w.mia.slash(w.channel, "match", drawing=photo(number))
    return [item["description"] for item in pictures(card.response)[1:]]


async def test_photos_are_added_with_one_command_and_found_within_ten_seconds(world):
    async with world as w:
        started = time.monotonic()
        result = await w.moderator.slash(
            w.channel,
            "photos add",
            photo=photo(40),
            photo2=photo(41),
            photo3=("notes.txt", b"not a picture"),
            title="Red shapes",
            credit="Olu",
        )
        told = result.response.content
        assert "2 new: **Red shapes**, **Red shapes (2)**. They can be found now." in told
        assert "notes.txt: **notes.txt** is not a picture" in told
        shown = await found_for(w, 41)
        assert "Photo 1: Red shapes (2). By Olu." in shown[0] or any(
            "Red shapes (2)" in one for one in shown
        )
        assert time.monotonic() - started < 10


async def test_the_same_photo_twice_is_one_and_one_nearly_the_same_is_told(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(42), title="First")
        again = await w.moderator.slash(w.channel, "photos add", photo=photo(42), title="Again")
        assert "1 were here already" in again.response.content
        buffer = io.BytesIO()
        paint(42, 320).resize((300, 300)).save(buffer, "JPEG", quality=70)
        alike = await w.moderator.slash(
            w.channel, "photos add", photo=("small.jpg", buffer.getvalue()), title="Smaller"
        )
        assert "1 new: **Smaller**" in alike.response.content
        assert "Nearly the same picture twice" in alike.response.content
        assert "Smaller · First" in alike.response.content
        assert sorted(await titles(w)) == ["First", "Smaller"]


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


async def test_an_import_walks_history_skips_what_is_known_and_keeps_authors(world):
    async with world as w:
        for number in (50, 51, 52):
            await w.ben.send(w.channel, attachments=[photo(number)])
        await w.mia.send(w.channel, "only words")
        first = await w.moderator.slash(w.channel, "photos import", channel=w.channel, limit=2)
        assert "2 new: **Painting 50**, **Painting 51**" in first.response.content
        second = await w.moderator.slash(w.channel, "photos import", channel=w.channel)
        assert "1 new: **Painting 52**" in second.response.content
        assert "2 were here already" in second.response.content
        page = texts((await w.moderator.slash(w.channel, "photos list")).response)
        assert page.count("ben") == 3
        assert first.response.components == []  # the button to stop it is gone


async def test_an_import_can_be_stopped_and_keeps_what_it_took(world):
    async with world as w:
        for number in range(60, 66):
            await w.ben.send(w.channel, attachments=[photo(number)])
        real = w.bot.retrieval.add_photo
        progress = {}

        async def add_and_tap(asked):
            kept = await real(asked)
            if asked.title == "Painting 61":
                shown = w.channel.last_message
                (stop,) = (c for row in shown.components for c in row.children)
                progress["label"] = stop.label
                w.bot.get_cog("Photos")._imports[w.guild.id].stop.set()
            return kept

        w.bot.retrieval.add_photo = add_and_tap
        result = await w.moderator.slash(w.channel, "photos import", channel=w.channel)
        assert progress["label"] == "Stop"
        assert "It was stopped" in result.response.content
        assert "2 new" in result.response.content
        assert sorted(await titles(w)) == ["Painting 60", "Painting 61"]


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
        assert menus(seen.response) == []  # nothing to remove for a member

        menu = await w.moderator.click(card.response, custom_id=more)
        (option,) = options(menu.response)  # not the photos that the host published
        assert "Rude" in option["label"]
        told = await w.moderator.select(menu.response, [option["value"]])
        assert "Removed: it is not found any more" in told.followups[0].content
        assert not any("Rude" in one for one in await found_for(w, 81))


@pytest.mark.parametrize("command", COMMANDS)
async def test_members_are_refused_in_code_even_where_the_server_lets_them_see_it(world, command):
    async with world as w:
        for root in ("index", "photos"):  # default_permissions is a hint
            w.bot.tree.get_command(root).default_permissions = None
        await w.bot.tree.sync()
        result = await w.mia.slash(w.channel, command, **COMMANDS[command])
        assert result.response.ephemeral
        assert "for moderators" in result.response.content


async def test_members_cannot_use_the_message_command_nor_learn_titles(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(82), title="Secret")
        menu = w.bot.tree.get_command(
            "Add to photo collection", type=discord.AppCommandType.message
        )
        menu.default_permissions = None
        w.bot.tree.get_command("photos").default_permissions = None
        await w.bot.tree.sync()
        message = await w.ben.send(w.channel, attachments=[photo(83)])
        result = await w.mia.context_menu(w.channel, "Add to photo collection", message)
        assert "for moderators" in result.response.content
        assert await titles(w, w.mia) == []


async def test_the_moderators_role_stands_for_managing_the_server(world):
    async with world as w:
        role = w.guild.create_role("Curators")
        curator = w.guild.add_member(w.env.create_user("cy"), roles=[role])
        w.bot.tree.get_command("photos").default_permissions = None
        await w.bot.tree.sync()
        refused = await curator.slash(w.channel, "photos list")
        assert "for moderators" in refused.response.content
        panel = await w.moderator.slash(w.channel, "settings")
        roles = menus(panel.response, discord.ComponentType.role_select)[0]["custom_id"]
        await w.moderator.select(panel.response, [role], custom_id=roles)
        assert f"<@&{role.id}>" in texts(panel.response)
        allowed = await curator.slash(w.channel, "photos list")
        assert "There is no photo yet" in texts(allowed.response)


class _Other:
    """A second server with a moderator of its own, who is nobody in the first."""

    def __init__(self, w: World) -> None:
        self.guild = w.env.create_guild("Rivals")
        mods = self.guild.create_role("Mods", permissions=discord.Permissions(manage_guild=True))
        self.channel = self.guild.create_text_channel("general")
        self.eve = self.guild.add_member(w.env.create_user("eve"), roles=[mods])


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_moderator_of_another_server_is_refused_here_and_that_is_logged(world, command):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(89), title="Ours")
        given = dict(COMMANDS[command])
        if "photo" in given and command != "photos add":
            given["photo"] = await chosen(w, "Ours")
        other = _Other(w)
        here = w.guild.add_member(other.eve.user)
        for root in ("index", "photos"):  # default_permissions is a hint
            w.bot.tree.get_command(root).default_permissions = None
        await w.bot.tree.sync()
        with structlog.testing.capture_logs() as logs:
            told = await here.slash(w.channel, command, **given)
        assert "for moderators" in told.response.content
        (line,) = (log for log in logs if log["event"] == "refused")
        assert (line["guild"], line["asked_for"]) == (w.guild.id, command)
        assert str(other.eve.id) not in str(logs)  # what was tried, not who
        assert await titles(w) == ["Ours"]


async def test_a_moderator_of_another_server_can_neither_read_nor_change(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(90), title="Ours")
        photo_id = await chosen(w, "Ours")
        other = _Other(w)
        offered = await other.eve.autocomplete(other.channel, "photos remove", "photo", "")
        assert offered == []
        assert "no photo yet" in texts(
            (await other.eve.slash(other.channel, "photos list")).response
        )
        found = await other.eve.slash(other.channel, "photos search", words="ours")
        assert "No photo has" in texts(found.response)
        for command in ("photos remove", "photos edit"):
            given = {"photo": photo_id} | ({"title": "Stolen"} if "edit" in command else {})
            told = await other.eve.slash(other.channel, command, **given)
            assert "This server has no such photo" in told.response.content
        await other.eve.slash(other.channel, "photos add", photo=photo(99), title="Theirs")
        for command in ("photos remove", "photos edit"):
            given = {"photo": photo_id} | ({"title": "Stolen"} if "edit" in command else {})
            told = await other.eve.slash(other.channel, command, **given)
            assert "This server has no such photo" in told.response.content
        card = await other.eve.slash(other.channel, "match", drawing=photo(90))
        assert not any("Ours" in item["description"] for item in pictures(card.response))
        status = await other.eve.slash(other.channel, "index status")
        assert "**1 photo** of this server" in status.response.content
        nothing = await other.eve.slash(other.channel, "index rollback")
        assert "no earlier state" in nothing.response.content
        assert await titles(w) == ["Ours"]
        assert [
            c["name"]
            for c in await other.eve.autocomplete(other.channel, "photos edit", "photo", "")
        ] == ["Theirs"]


async def test_a_message_of_one_server_cannot_be_acted_on_in_another(world):
    """A panel carries its collection; one of another server's is refused."""
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(91), title="Ours")
        photo_id = await chosen(w, "Ours")
        other = _Other(w)
        await other.eve.slash(other.channel, "photos add", photo=photo(92), title="Theirs")
        pages = await other.eve.slash(other.channel, "photos list")
        from bot.features.photos import _pages

        ours = moderators.own_collection(w.guild.id)
        for view in w.bot._connection._view_store._views.values():
            for item in view.values():
                if isinstance(getattr(item, "view", None), _pages.PhotoPages):
                    item.view.place = _pages.Place(ours)
        theirs = [o["value"] for o in options(pages.response)]
        told = await other.eve.select(pages.response, theirs)
        said = [told.response.content] + [f.content for f in told.followups]
        assert any("not this server's" in one for one in said)
        assert await titles(w) == ["Ours"]
        assert photo_id == await chosen(w, "Ours")


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
        await w.moderator.select(menu.response, [option["value"]])
        assert "serves now" in menu.response.content
        assert not any("Two" in one for one in await found_for(w, 95))
        await w.moderator.slash(w.channel, "index rebuild")
        assert any("Two" in one for one in await found_for(w, 95))

        good = await w.moderator.slash(w.channel, "index verify")
        assert "checked: as they were written" in good.response.content
        folder = worker.home.collection(moderators.own_collection(w.guild.id))
        file = folder / "generations" / index.finished(folder)[-1] / "index.faiss"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        bad = await w.moderator.slash(w.channel, "index verify")
        assert "Damaged on the disk" in bad.response.content


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


async def test_removed_photos_survive_a_restart_of_bot_and_its_buttons(settings):
    async with open_world(settings, own_worker=False) as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(97), title="Kept")
        card = await w.mia.slash(w.channel, "match", drawing=photo(97))
        await w.restart()
        more = button(card.response, "More…")
        menu = await w.moderator.click(card.response, custom_id=more)
        assert "Kept" in texts(menu.response)


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
