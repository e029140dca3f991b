"""/moderate and reports: who is not answered, and what moderators are told."""

from __future__ import annotations

import discord
from sqlalchemy import select

from bot.store.models import BlockedMember, Drawing, Vote
from tests.acting import button, buttons, menus, show_to_everybody, texts
from tests.bot.features.judging import FISH, card, choose_setting, crowd, vote_id
from tests.conftest import World


async def _count(w: World, table: type) -> int:
    async with w.services.store.read() as session:
        return len((await session.scalars(select(table))).all())


async def _blocked(w: World, member) -> None:
    done = await w.moderator.slash(w.channel, "moderate block", member=member)
    assert done.response.ephemeral
    assert "no more" in done.response.content


def _told_alone(w: World, member) -> list[str]:
    private = w.env.backend.get_dm_channel(member.id)
    return [message.content for message in w.env.backend.messages.get(private.id, {}).values()]


# Blocked members


async def test_a_blocked_member_is_told_politely_and_not_served_in_any_way(world):
    async with world as w:
        shown = await card(w)
        await _blocked(w, w.ben)
        refused = await w.ben.slash(w.channel, "match", drawing=FISH)
        assert refused.response.ephemeral
        assert "asked me not to answer you" in refused.response.content
        await w.ben.send(w.channel, f"<@{w.bot.user.id}>", attachments=[FISH])
        assert "asked me not to answer you" in _told_alone(w, w.ben)[-1]
        refused = await w.ben.click(shown, custom_id=vote_id(shown, 1, "good"))
        assert "asked me not to answer you" in refused.followups[-1].content
        message = await w.mia.send(w.channel, "look", attachments=[FISH])
        refused = await w.ben.context_menu(w.channel, "Find photos", target=message)
        assert "asked me not to answer you" in refused.response.content
        assert (await _count(w, Drawing), await _count(w, Vote)) == (1, 0)


async def test_nobody_else_can_have_a_blocked_members_drawing_answered(world):
    async with world as w:
        message = await w.ben.send(w.channel, "look", attachments=[FISH])
        await _blocked(w, w.ben)
        refused = await w.mia.context_menu(w.channel, "Find photos", target=message)
        assert "not to answer this member's drawings" in refused.followups[-1].content
        assert await _count(w, Drawing) == 0


async def test_an_unblocked_member_is_served_again(world):
    async with world as w:
        await _blocked(w, w.ben)
        await _blocked(w, w.ben)  # twice is once
        assert await _count(w, BlockedMember) == 1
        listed = await w.moderator.slash(w.channel, "moderate blocked")
        assert f"<@{w.ben.id}>" in listed.response.content
        await w.moderator.slash(w.channel, "moderate unblock", member=w.ben)
        again = await w.moderator.slash(w.channel, "moderate unblock", member=w.ben)
        assert "not blocked" in again.response.content
        assert "Nobody" in (await w.moderator.slash(w.channel, "moderate blocked")).response.content
        await card(w, w.ben)
        assert await _count(w, Drawing) == 1


async def test_a_block_holds_in_its_server_only_and_outlives_deletion(world):
    async with world as w:
        other = w.env.create_guild("Elsewhere")
        there = other.create_text_channel("here")
        twin = other.add_member(w.ben.user)
        await _blocked(w, w.ben)
        await twin.slash(there, "match", drawing=FISH)
        assert await _count(w, Drawing) == 1
        asked = await w.ben.slash(w.channel, "privacy delete")  # which works as ever
        await w.ben.click(asked.response, label="Delete everything")
        assert await _count(w, Drawing) == 0
        refused = await w.ben.slash(w.channel, "match", drawing=FISH)
        assert "asked me not to answer you" in refused.response.content
        listed = await w.moderator.slash(w.channel, "moderate blocked")
        assert "somebody who had their data deleted" in listed.response.content
        await w.moderator.slash(w.channel, "moderate unblock", member=w.ben)
        await card(w, w.ben)


async def test_members_cannot_block_and_moderators_not_themselves(world):
    async with world as w:
        await show_to_everybody(w, "moderate")
        refused = await w.mia.slash(w.channel, "moderate block", member=w.ben)
        assert "manage" in refused.response.content.lower()
        refused = await w.moderator.slash(w.channel, "moderate block", member=w.moderator)
        assert "That is you" in refused.response.content
        assert await _count(w, BlockedMember) == 0


# Reports


async def _reports(w: World):
    hidden = w.guild.create_text_channel(
        "mods",
        overwrites={
            w.guild.default_role: discord.PermissionOverwrite(view_channel=False),
            w.moderator: discord.PermissionOverwrite(view_channel=True),
            w.bot.user: discord.PermissionOverwrite(view_channel=True),
        },
    )
    await choose_setting(w, reports_channel_id=hidden.id)
    return hidden


async def _report(w: World, who, shown, reason: str = "drawing") -> str:
    more = await who.click(shown, custom_id=button(shown, "More…"))
    menu = next(one for one in menus(more.response) if "Report" in one["placeholder"])
    told = await who.select(more.response, [reason], custom_id=menu["custom_id"])
    return told.followups[-1].content


async def test_a_report_reaches_the_moderators_without_its_reporter(world):
    async with world as w:
        mods = await _reports(w)
        shown = await card(w)
        assert "The moderators can see it now" in await _report(w, w.ben, shown)
        said = texts(mods.last_message)
        assert "A member reports the drawing" in said
        assert str(shown.id) in said
        assert f"<@{w.mia.id}>" in said
        assert str(w.ben.id) not in said
        assert "already" in await _report(w, w.ben, shown)
        assert len(w.env.backend.messages[mods.id]) == 1
        voter = crowd(w, 1)[0]
        await _report(w, voter, shown, "photo")
        assert "a photo that was found" in texts(mods.last_message)


async def test_without_a_channel_the_member_is_told_what_to_do(world):
    async with world as w:
        shown = await card(w)
        assert "chosen no channel" in await _report(w, w.ben, shown)


async def test_a_channel_that_i_may_not_write_to_is_said_to_the_member(world):
    async with world as w:
        await _reports(w)
        w.env.inject_error("POST", "/channels/*/messages", status=403, code=50013)
        assert "cannot reach" in await _report(w, w.ben, await card(w))


async def test_a_moderator_deletes_the_drawing_from_the_report(world):
    async with world as w:
        mods = await _reports(w)
        shown = await card(w)
        await _report(w, w.ben, shown)
        report = mods.last_message
        await w.restart()  # the buttons are those of any report, also of earlier ones
        await w.moderator.click(report, custom_id=button(report, "Delete the drawing"))
        assert await _count(w, Drawing) == 0
        assert shown.id not in w.env.backend.messages[w.channel.id]
        assert "deleted by" in texts(mods.last_message)
        assert buttons(mods.last_message) == {}


async def test_a_moderator_blocks_the_artist_from_the_report_or_dismisses_it(world):
    async with world as w:
        mods = await _reports(w)
        for label, blocked in (("Dismiss", 0), ("Block the artist", 1)):
            await _report(w, w.ben, await card(w))
            report = mods.last_message
            await w.moderator.click(report, custom_id=button(report, label))
            assert await _count(w, BlockedMember) == blocked
            assert buttons(mods.last_message) == {}


async def test_who_is_no_moderator_cannot_act_on_a_report(world):
    async with world as w:
        everybody = w.guild.create_text_channel("open")
        await choose_setting(w, reports_channel_id=everybody.id)
        await _report(w, w.ben, await card(w))
        report = everybody.last_message
        refused = await w.ben.click(report, custom_id=button(report, "Delete the drawing"))
        assert "manage" in refused.response.content.lower()
        assert await _count(w, Drawing) == 1
