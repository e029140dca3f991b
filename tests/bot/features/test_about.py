"""/help and /about say what is true of this server."""

from __future__ import annotations

from bot.store import server_settings
from retrieval.serving.errors import RetrievalError


async def test_help_fits_one_screen_and_names_every_command(world):
    async with world as w:
        text = (await w.mia.slash(w.channel, "help")).response.content
        assert len(text.splitlines()) <= 20
        for command in ("/match", "Find photos", "/settings", "/photos add", "/about"):
            assert command in text
        assert "post it in" not in text


async def test_help_names_the_drawing_channel_where_there_is_one(world):
    async with world as w:
        async with w.services.store.write() as session:
            await server_settings.change(session, w.guild.id, 1, drawing_channel_id=w.channel.id)
        text = (await w.mia.slash(w.channel, "help")).response.content
        assert f"<#{w.channel.id}>" in text


async def test_about_names_encoder_photos_and_code(world):
    async with world as w:
        result = await w.mia.slash(w.channel, "about")
        text = result.response.content
        assert result.response.ephemeral
        assert "12 photos" in text
        health = await w.services.retrieval.health()
        assert health.encoder in text
        assert "https://" in text


async def test_about_still_answers_when_the_worker_does_not(world, monkeypatch):
    async with world as w:

        async def gone(_):
            raise RetrievalError("worker_gone")

        monkeypatch.setattr(w.bot.retrieval, "status", gone)
        text = (await w.mia.slash(w.channel, "about")).response.content
        assert "not answering" in text
