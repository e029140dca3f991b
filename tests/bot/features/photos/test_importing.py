"""An import walks a channel's history, and can be stopped."""

from __future__ import annotations

from types import SimpleNamespace

import discord

from retrieval.serving.errors import RetrievalError
from tests.acting import texts
from tests.bot.features.photos.moderating import found_for, photo, titles
from tests.conftest import open_world


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


async def test_the_next_import_goes_on_where_the_limit_ended_the_last(world):
    async with world as w:
        await w.ben.send(w.channel, attachments=[photo(50), photo(51)])
        await w.ben.send(w.channel, attachments=[photo(52)])
        for number in (50, 51, 52):
            told = await w.moderator.slash(w.channel, "photos import", channel=w.channel, limit=1)
            assert f"1 new: **Painting {number}**" in told.response.content
            assert "the same command goes on from there" in told.response.content
        last = await w.moderator.slash(w.channel, "photos import", channel=w.channel, limit=1)
        assert "3 were here already" in last.response.content
        assert "goes on" not in last.response.content


async def test_an_import_that_discord_ends_says_so_and_what_it_took_is_found(world, monkeypatch):
    async with world as w:
        for number in (50, 51):
            await w.ben.send(w.channel, attachments=[photo(number)])
        real = discord.TextChannel.history

        async def broken(channel, **options):
            async for message in real(channel, **options):
                yield message
                response = SimpleNamespace(status=500, reason="Internal Server Error")
                raise discord.DiscordServerError(response, "")

        monkeypatch.setattr(discord.TextChannel, "history", broken)
        told = await w.moderator.slash(w.channel, "photos import", channel=w.channel)
        assert "It ended early: Discord refused" in told.response.content
        assert "1 new: **Painting 50**" in told.response.content
        assert told.response.components == []  # the button to stop it is gone
        assert any("Painting 50" in one for one in await found_for(w, 50))


async def test_an_import_whose_index_fails_leaves_no_button_to_stop_it(world, monkeypatch):
    async with world as w:
        await w.ben.send(w.channel, attachments=[photo(50)])

        async def gone(_):
            raise RetrievalError("worker_gone")

        monkeypatch.setattr(w.bot.keeper, "refresh", gone)
        told = await w.moderator.slash(w.channel, "photos import", channel=w.channel)
        assert "❌ The part of me that looks at drawings just stopped" in told.response.content
        assert told.response.components == []


async def test_an_import_names_the_permissions_that_it_needs(world):
    async with world as w:
        closed = {w.bot.user: discord.PermissionOverwrite(read_message_history=False)}
        quiet = w.guild.create_text_channel("quiet", overwrites=closed)
        told = await w.moderator.slash(w.channel, "photos import", channel=quiet)
        assert told.response.ephemeral
        assert "*Read Message History*" in told.response.content


async def test_an_import_without_the_message_content_intent_says_so(settings):
    granted = discord.Intents.all()
    granted.message_content = False
    async with open_world(settings, own_worker=False, message_content=False, approved=granted) as w:
        await w.ben.send(w.channel, attachments=[photo(50)])
        told = await w.moderator.slash(w.channel, "photos import", channel=w.channel)
        assert told.response.ephemeral
        assert "Message Content" in told.response.content
