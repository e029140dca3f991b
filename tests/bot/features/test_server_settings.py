"""/settings: the drawing channel, and saying so when Discord would not show its pictures."""

from __future__ import annotations

import discord

from bot.store import server_settings
from tests import drawings
from tests.acting import menus, texts
from tests.conftest import open_world

FISH = ("fish.png", drawings.render_png("fish"))


def _menu(panel) -> str:
    """Return the id of the drawing channel's menu."""
    return menus(panel.response, discord.ComponentType.channel_select)[0]["custom_id"]


async def _channel(w) -> int | None:
    async with w.services.store.read() as session:
        return await server_settings.drawing_channel(session, w.guild.id)


async def test_a_moderator_chooses_the_drawing_channel_and_drawings_there_are_answered(world):
    async with world as w:
        panel = await w.moderator.slash(w.channel, "settings")
        assert panel.response.ephemeral
        assert "Now: none" in texts(panel.response)
        await w.moderator.select(panel.response, [w.channel], custom_id=_menu(panel))
        assert await _channel(w) == w.channel.id
        assert f"I answer every drawing in <#{w.channel.id}>" in texts(panel.response)

        await w.mia.send(w.channel, attachments=[FISH])
        assert len(w.channel.last_message.attachments) == 6


async def test_choosing_nothing_ends_the_drawing_channel(world):
    async with world as w:
        panel = await w.moderator.slash(w.channel, "settings")
        await w.moderator.select(panel.response, [w.channel], custom_id=_menu(panel))
        await w.moderator.select(panel.response, [], custom_id=_menu(panel))
        assert await _channel(w) is None


async def test_without_the_message_content_intent_the_panel_says_so(settings):
    granted = discord.Intents.all()
    granted.message_content = False
    async with open_world(settings, own_worker=False, message_content=False, approved=granted) as w:
        panel = await w.moderator.slash(w.channel, "settings")
        assert "Message Content" in texts(panel.response)
        await w.moderator.select(panel.response, [w.channel], custom_id=_menu(panel))
        assert "Message Content" in texts(panel.response)


async def test_missing_permissions_in_the_channel_are_named(world):
    async with world as w:
        hidden = w.guild.create_text_channel(
            "quiet",
            overwrites={w.bot.user: discord.PermissionOverwrite(attach_files=False)},
        )
        panel = await w.moderator.slash(w.channel, "settings")
        await w.moderator.select(panel.response, [hidden], custom_id=_menu(panel))
        assert "*Attach Files*" in texts(panel.response)


async def test_a_moderator_who_lost_the_right_cannot_use_an_open_panel(world):
    async with world as w:
        panel = await w.moderator.slash(w.channel, "settings")
        w.env.backend.remove_member_role(w.guild.id, w.moderator.id, w.guild.roles["Mods"].id)
        result = await w.moderator.select(panel.response, [w.channel], custom_id=_menu(panel))
        told = result.response or result.followups[0]
        assert told.ephemeral
        assert "for moderators" in told.content
        assert await _channel(w) is None
