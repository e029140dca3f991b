"""A server's moderators touch its own photos; nobody else does, here or from another server."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest
import structlog

from bot import moderators
from retrieval import index
from tests.acting import menus, options, pictures, show_to_everybody, texts, waiting_views
from tests.bot.features.photos.moderating import chosen, photo, titles
from tests.conftest import World

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


@pytest.mark.parametrize("command", COMMANDS)
async def test_members_are_refused_in_code_even_where_the_server_lets_them_see_it(world, command):
    async with world as w:
        await show_to_everybody(w, "index", "photos")
        result = await w.mia.slash(w.channel, command, **COMMANDS[command])
        assert result.response.ephemeral
        assert "for moderators" in result.response.content


async def test_members_cannot_use_the_message_command_nor_learn_titles(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(82), title="Secret")
        await show_to_everybody(w, "photos", "Add to photo collection")
        message = await w.ben.send(w.channel, attachments=[photo(83)])
        result = await w.mia.context_menu(w.channel, "Add to photo collection", message)
        assert "for moderators" in result.response.content
        assert await titles(w, w.mia) == []


async def test_the_moderators_role_stands_for_managing_the_server(world):
    async with world as w:
        role = w.guild.create_role("Curators")
        curator = w.guild.add_member(w.env.create_user("cy"), roles=[role])
        await show_to_everybody(w, "photos")
        refused = await curator.slash(w.channel, "photos list")
        assert "for moderators" in refused.response.content
        panel = await w.moderator.slash(w.channel, "settings")
        roles = menus(panel.response, discord.ComponentType.role_select)[0]["custom_id"]
        await w.moderator.select(panel.response, [role], custom_id=roles)
        assert f"looks after its photos, and so does <@&{role.id}>" in texts(panel.response)
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
        await show_to_everybody(w, "index", "photos")
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
        assert "No photo has **ours** in its title or credit" in texts(found.response)
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
        ours = moderators.own_collection(w.guild.id)
        for view in waiting_views(w, "PhotoPages"):
            view.place = replace(view.place, collection=ours)
        theirs = [o["value"] for o in options(pages.response)]
        told = await other.eve.select(pages.response, theirs)
        said = [told.response.content] + [f.content for f in told.followups]
        assert any("not this server's" in one for one in said)
        assert await titles(w) == ["Ours"]
        assert photo_id == await chosen(w, "Ours")


async def test_an_index_of_another_server_does_not_go_back_from_here(world, worker):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(91), title="Ours")
        ours = moderators.own_collection(w.guild.id)
        other = _Other(w)
        for number in (92, 93):
            await other.eve.slash(other.channel, "photos add", photo=photo(number))
        menu = await other.eve.slash(other.channel, "index rollback")
        serving = index.current_id(worker.home.collection(ours))
        for view in waiting_views(w, "GenerationMenu"):
            view.collection = ours
        told = await other.eve.select(menu.response, [options(menu.response)[0]["value"]])
        assert "not this server's" in told.response.content
        assert index.current_id(worker.home.collection(ours)) == serving
