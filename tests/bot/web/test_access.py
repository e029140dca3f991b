"""Who may be at the drawing page: asked anew as long as it is open."""

from __future__ import annotations

import discord

from bot.web import place
from tests.at_the_page import Browser, body, done, open_page, stored, token


async def test_draw_says_at_once_that_a_channel_is_closed(settings):
    async with open_page(settings) as w:
        nobody = discord.PermissionOverwrite(attach_files=False)
        closed = {w.guild.default_role: nobody}
        told = await w.mia.slash(w.guild.create_text_channel("news", overwrites=closed), "draw")
        assert "may not post pictures here" in told.response.content
        assert not told.response.components


async def test_who_may_not_post_in_the_channel_any_more_cannot_from_the_page(settings):
    async with open_page(settings) as w:
        silent = w.guild.create_text_channel(
            "news",
            overwrites={w.guild.default_role: discord.PermissionOverwrite(send_messages=False)},
        )
        async with Browser(w, token(w, channel_id=silent.id)) as mia:
            status, answer = await mia.ask("open")
        assert status == 422
        assert "may not post" in answer["sentence"]
        async with Browser(w, token(w, user_id=w.env.create_user("stranger").id)) as stranger:
            assert "not in that server" in (await stranger.ask("open"))[1]["sentence"]
        async with Browser(w, token(w, channel_id=1234)) as mia:
            assert "gone" in (await mia.ask("open"))[1]["sentence"]


async def test_who_is_shut_out_while_drawing_sees_posts_and_votes_no_more(settings, monkeypatch):
    async with open_page(settings) as w, Browser(w, token(w)) as mia, Browser(w, token(w)) as other:
        await mia.ask("open")
        await other.ask("open")
        posted = (await other.ask("post", done()))[1]
        assert (await mia.ask("live", body()))[0] == 200
        w.guild.remove_member(w.mia)
        ballot = {"result": posted["photos"][0]["result"], "kind": "good"}
        monkeypatch.setattr(place, "_TRUSTED_SECONDS", 0.0)  # a minute has passed
        for browser, what, asked in (
            (mia, "live", body()),
            (mia, "post", done()),
            (other, "vote", ballot),
        ):
            status, answer = await browser.ask(what, asked)
            assert status == 422
            assert "not in that server" in answer["sentence"]
        assert len(await stored(w)) == 1


async def test_private_threads_are_for_those_who_are_in_them(settings):
    async with open_page(settings) as w:
        channel = w.bot.get_channel(w.channel.id)
        thread = await channel.create_thread(name="secret", invitable=False)
        link = token(w, channel_id=thread.id)
        async with Browser(w, link) as mia:
            assert "may not post" in (await mia.ask("open"))[1]["sentence"]
            await thread.add_user(discord.Object(w.mia.id))
            assert (await mia.ask("open"))[1]["channel"] == "#secret"
            assert (await mia.ask("post", done()))[0] == 200
