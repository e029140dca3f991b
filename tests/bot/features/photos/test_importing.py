"""An import walks a channel's history, and can be stopped."""

from __future__ import annotations

from tests.acting import texts
from tests.bot.features.photos.moderating import photo, titles


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
