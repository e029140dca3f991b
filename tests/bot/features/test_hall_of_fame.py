"""The halls of fame: pages for all to turn, and a channel that results get into by votes."""

from __future__ import annotations

from datetime import timedelta

import discord
from sqlalchemy import select

from bot.store.models import HallPost, utcnow
from tests.acting import button, menus, pictures, texts, together
from tests.bot.features.judging import (
    card,
    choose_setting,
    crowd,
    set_drawings,
    soon,
    stored,
    votes,
)
from tests.conftest import World


async def _hall_channel(w: World, **settings: object):
    channel = w.guild.create_text_channel("hall")
    await choose_setting(w, hall_of_fame_channel_id=channel.id, **settings)
    return channel


def _messages(w: World, channel) -> list:
    return list(w.env.backend.messages.get(channel.id, {}).values())


def _bots_view(w: World, channel):
    return w.bot.get_guild(w.guild.id).get_channel(channel.id)


async def _posts(w: World) -> list[HallPost]:
    async with w.services.store.read() as session:
        return list(await session.scalars(select(HallPost)))


# Pages


async def test_an_empty_hall_says_how_something_gets_in(world):
    async with world as w:
        hall = await w.mia.slash(w.channel, "hall-of-fame")
        assert "Nobody has laughed yet" in texts(hall.response)


async def test_pages_show_drawing_photo_tally_and_only_who_agreed(world):
    async with world as w:
        shown = await card(w)
        await votes(shown, [w.ben, *crowd(w, 2)], 2, "funny")
        await votes(shown, [w.ben], 1, "good")
        hall = await w.ben.slash(w.channel, "hall-of-fame", board="funniest", period="ever")
        said = texts(hall.response)
        assert "Funniest ever · 1 of 1" in said
        assert "😂 3" in said
        assert "somebody shy" in said
        assert str(w.mia.id) not in said
        assert pictures(hall.response)[0]["description"] == "The drawing."
        assert len(hall.response.attachments) == 2
        await w.ben.select(hall.response, ["best"], custom_id=menus(hall.response)[0]["custom_id"])
        assert "👍 1" in texts(hall.response)

        asked = await w.mia.slash(w.channel, "privacy opt-in", what="naming")
        await w.mia.click(asked.response, label="I agree")
        hall = await w.ben.slash(w.channel, "hall-of-fame")
        assert f"drawn by <@{w.mia.id}>" in texts(hall.response)


async def test_the_artists_own_vote_does_not_count(world):
    async with world as w:
        shown = await card(w)
        await votes(shown, [w.mia], 1, "funny")
        hall = await w.mia.slash(w.channel, "hall-of-fame")
        assert "Nobody has laughed yet" in texts(hall.response)


async def test_a_period_leaves_older_drawings_out_and_pages_turn(world):
    async with world as w:
        for _ in range(2):
            await votes(await card(w), [w.ben], 1, "funny")
        await set_drawings(w, created_at=utcnow() - timedelta(days=10))
        await votes(await card(w), [w.ben], 1, "funny")
        hall = await w.mia.slash(w.channel, "hall-of-fame")
        assert "1 of 1" in texts(hall.response)
        await w.mia.select(
            hall.response, ["this month"], custom_id=menus(hall.response)[1]["custom_id"]
        )
        assert "1 of 3" in texts(hall.response)
        await w.mia.click(hall.response, label="▶")
        assert "2 of 3" in texts(hall.response)
        taken = await w.ben.click(hall.response, custom_id=button(hall.response, "▶"))
        assert "opens your own" in taken.response.content
        assert "2 of 3" in texts(hall.response)


async def test_what_few_may_see_is_not_shown_to_many(world):
    async with world as w:
        hidden = w.guild.create_text_channel(
            "hidden",
            overwrites={
                w.guild.default_role: discord.PermissionOverwrite(view_channel=False),
                w.mia: discord.PermissionOverwrite(view_channel=True),
                w.ben: discord.PermissionOverwrite(view_channel=True),
            },
        )
        await votes(await card(w, channel=hidden), [w.ben], 1, "funny")
        here = await w.mia.slash(w.channel, "hall-of-fame")
        assert "Nobody has laughed yet" in texts(here.response)
        there = await w.mia.slash(hidden, "hall-of-fame")
        assert "😂 1" in texts(there.response)


async def test_an_age_restricted_drawing_is_shown_in_such_channels_only(world):
    async with world as w:
        late = w.guild.create_text_channel("late")
        _bots_view(w, late).nsfw = True
        await votes(await card(w, channel=late), [w.ben], 1, "funny")
        assert [drawing.age_restricted for drawing in await stored(w)] == [True]
        here = await w.mia.slash(w.channel, "hall-of-fame")
        assert "Nobody has laughed yet" in texts(here.response)
        there = await w.mia.slash(late, "hall-of-fame")
        assert "😂 1" in texts(there.response)
        # What was restricted then stays so, though its channel is not any more.
        _bots_view(w, late).nsfw = False
        there = await w.mia.slash(late, "hall-of-fame")
        assert "Nobody has laughed yet" in texts(there.response)


# The channel


async def test_a_result_is_posted_once_when_it_passes_and_its_tally_is_edited_together(world):
    async with world as w:
        hall = await _hall_channel(w)
        shown = await card(w)
        voters = crowd(w, 6)
        await votes(shown, voters[:2], 2, "funny")
        await soon(w)
        assert _messages(w, hall) == []
        await votes(shown, [w.mia], 2, "funny")  # the artist's own
        await soon(w)
        assert _messages(w, hall) == []
        await votes(shown, voters[2:3], 2, "funny")
        await soon(w)
        (post,) = _messages(w, hall)
        said = hall.last_message
        assert "😂 3" in texts(said)
        assert len(said.attachments) == 2

        before = len(w.env.http_requests)
        with together(w.env):
            await votes(shown, voters[3:], 2, "funny")
        await w.env.settle()
        await soon(w)
        (post,) = _messages(w, hall)
        assert "😂 6" in texts(hall.last_message)
        assert len(hall.last_message.attachments) == 2
        assert len(pictures(hall.last_message)) == 2
        edits = [
            one
            for one in w.env.http_requests[before:]
            if one.method == "PATCH" and str(post.id) in one.path
        ]
        assert len(edits) == 1


async def test_fewer_votes_do_not_take_a_post_down_but_its_card_does(world):
    async with world as w:
        hall = await _hall_channel(w, hall_of_fame_votes=1)
        shown = await card(w)
        await votes(shown, [w.ben], 1, "good")
        await soon(w)
        assert "👍 1" in texts(hall.last_message)
        await votes(shown, [w.ben], 1, "good")  # taken back
        await soon(w)
        assert len(_messages(w, hall)) == 1
        w.env.backend.delete_message(w.channel.id, shown.id)
        await w.env.settle()
        assert _messages(w, hall) == []
        assert await _posts(w) == []


async def test_a_post_that_a_moderator_deletes_stays_away(world):
    async with world as w:
        hall = await _hall_channel(w, hall_of_fame_votes=1)
        shown = await card(w)
        await votes(shown, [w.ben], 1, "good")
        await soon(w)
        w.env.backend.delete_message(hall.id, hall.last_message.id)
        await w.env.settle()
        await votes(shown, crowd(w, 3), 1, "good")
        await soon(w)
        assert _messages(w, hall) == []


async def test_nothing_goes_from_a_hidden_or_age_restricted_channel_into_another(world):
    async with world as w:
        hall = await _hall_channel(w, hall_of_fame_votes=1)
        hidden = w.guild.create_text_channel(
            "hidden",
            overwrites={
                w.guild.default_role: discord.PermissionOverwrite(view_channel=False),
                w.mia: discord.PermissionOverwrite(view_channel=True),
                w.ben: discord.PermissionOverwrite(view_channel=True),
            },
        )
        late = w.guild.create_text_channel("late")
        _bots_view(w, late).nsfw = True
        for channel in (hidden, late):
            await votes(await card(w, channel=channel), [w.ben], 1, "funny")
        await soon(w)
        assert _messages(w, hall) == []
        await votes(await card(w), [w.ben], 1, "funny")
        await soon(w)
        assert len(_messages(w, hall)) == 1


async def test_a_post_names_the_artist_as_soon_as_they_agree_and_no_longer_than_that(world):
    async with world as w:
        hall = await _hall_channel(w, hall_of_fame_votes=1)
        await votes(await card(w), [w.ben], 1, "funny")
        await soon(w)
        assert "somebody shy" in texts(hall.last_message)
        asked = await w.mia.slash(w.channel, "privacy opt-in", what="naming")
        await w.mia.click(asked.response, label="I agree")
        await soon(w)
        assert f"<@{w.mia.id}>" in texts(hall.last_message)
        await w.mia.slash(w.channel, "privacy opt-out", what="naming")
        await soon(w)
        assert "somebody shy" in texts(hall.last_message)


async def test_a_post_that_discord_refuses_comes_with_the_next_vote(world):
    async with world as w:
        hall = await _hall_channel(w, hall_of_fame_votes=1)
        shown = await card(w)
        w.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
        await votes(shown, [w.ben], 1, "funny")
        await soon(w)
        assert _messages(w, hall) == []
        await votes(shown, crowd(w, 1), 1, "funny")
        await soon(w)
        assert "😂 2" in texts(hall.last_message)


async def test_a_restarted_bot_keeps_posts(world):
    async with world as w:
        hall = await _hall_channel(w, hall_of_fame_votes=1)
        shown = await card(w)
        await votes(shown, [w.ben], 1, "funny")
        await soon(w)
        await w.restart()
        await votes(shown, crowd(w, 1), 1, "funny")
        await soon(w)
        assert len(_messages(w, hall)) == 1
        assert "😂 2" in texts(hall.last_message)
