"""/privacy: what is kept of a person, a copy of it, its end, and what they agreed to."""

from __future__ import annotations

import io
import json
import os
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot import consent_text
from bot.store import Store
from bot.store.models import Base, Drawing, GivenConsent, utcnow
from retrieval import library
from retrieval.home import Home
from tests import drawings
from tests.acting import button, menus, texts
from tests.bot.features.judging import (
    FISH,
    card,
    choose_setting,
    crowd,
    download,
    set_drawings,
    soon,
    stored,
    votes,
)
from tests.bot.features.photos.moderating import photo
from tests.conftest import World, open_world


def _files(world_settings) -> list[str]:
    return [path.name for path in world_settings.drawings.rglob("*") if path.is_file()]


async def test_show_counts_what_is_kept_in_servers_and_direct_messages(world):
    async with world as w:
        shown = await card(w)
        await votes(shown, [w.mia], 1, "good")
        for asked in (
            await w.mia.slash(w.channel, "privacy show"),
            await w.mia.user.slash("privacy show"),
        ):
            assert asked.response.ephemeral or asked.response.channel_id != w.channel.id
            assert "**1 drawing, 1 vote, 0 photos and 0 reports**" in asked.response.content
            assert "- training: no" in asked.response.content
            assert "90 days" in asked.response.content
        assert "0 drawings" in (await w.ben.slash(w.channel, "privacy show")).response.content


async def test_consent_needs_a_tap_is_dated_with_its_text_and_can_be_taken_back(world):
    async with world as w:
        asked = await w.mia.slash(w.channel, "privacy opt-in", what="training")
        assert "teach the next Magic Pencil" in asked.response.content
        assert "training: no" in (await w.mia.slash(w.channel, "privacy show")).response.content
        await w.mia.click(asked.response, label="I agree")
        async with w.services.store.read() as session:
            (given,) = await session.scalars(select(GivenConsent))
        assert (given.user_id, given.text_version) == (w.mia.id, consent_text.VERSION)
        assert utcnow() - given.agreed_at < timedelta(minutes=1)
        said = (await w.mia.slash(w.channel, "privacy show")).response.content
        assert f"training: yes, since <t:{int(given.agreed_at.timestamp())}:D> (text 1)" in said
        assert "naming: no" in said
        await w.mia.slash(w.channel, "privacy opt-out", what="training")
        assert "training: no" in (await w.mia.slash(w.channel, "privacy show")).response.content


async def test_an_export_holds_all_of_ones_own_and_nothing_of_others(world):
    async with world as w:
        shown = await card(w)
        await votes(shown, [w.mia, w.ben], 1, "good")
        await card(w, w.ben)
        sent = await w.mia.slash(w.channel, "privacy export")
        assert sent.response.ephemeral
        packed = zipfile.ZipFile(io.BytesIO(download(w, sent.response.attachments[0])))
        about = json.loads(packed.read("data.json"))
        assert [one["author_id"] for one in about["drawings"]] == [w.mia.id]
        assert [one["kind"] for one in about["votes"]] == ["good"]
        assert str(w.ben.id) not in packed.read("data.json").decode()
        (drawing,) = [name for name in packed.namelist() if name.startswith("drawings/")]
        assert packed.read(drawing) == FISH[1]


# Deletion


@pytest.fixture
def own_home(tmp_path, settings):
    """Settings of a home that holds everything, the worker's data too: what a host backs up."""
    return settings.model_copy(update={"home": tmp_path / "own", "socket": None})


def _traces(home: Path, number: int) -> list[str]:
    """Look for an id in every file under a folder, as text and as bytes."""
    needles = (
        str(number).encode(),
        number.to_bytes(8, "big"),
        number.to_bytes(8, "little"),
        f"{number:x}".encode(),
    )
    found = []
    for path in home.rglob("*"):
        if any(needle in str(path.relative_to(home)).encode() for needle in needles):
            found.append(f"{path} (its name)")
        if path.is_file() and not path.is_socket():
            data = path.read_bytes()
            if any(needle in data for needle in needles):
                found.append(str(path))
    return found


async def test_delete_me_leaves_no_trace_of_the_id_in_any_table_or_file(own_home, pictures):
    library.register(Home(own_home.home), "shared", pictures)
    async with open_world(own_home, own_worker=True) as w:
        async for _ in w.bot.retrieval.build("shared"):
            pass
        hall = w.guild.create_text_channel("hall")
        mods = w.guild.create_text_channel("mods")
        await choose_setting(
            w,
            hall_of_fame_channel_id=hall.id,
            hall_of_fame_votes=1,
            reports_channel_id=mods.id,
        )
        # Olu is a moderator, and leaves an id wherever one can be left.
        olu = w.moderator
        mine = await card(w, olu)
        asked = await olu.slash(w.channel, "privacy opt-in", what="naming")
        await olu.click(asked.response, label="I agree")
        await votes(mine, [w.ben, *crowd(w, 3)], 1, "miss")
        await votes(mine, [w.ben], 2, "funny")
        await soon(w)
        assert f"<@{olu.id}>" in texts(hall.last_message)
        theirs = await card(w, w.mia)
        await votes(theirs, [olu], 1, "good")
        more = await olu.click(theirs, custom_id=button(theirs, "More…"))
        await olu.select(more.response, ["other"], custom_id=menus(more.response)[-1]["custom_id"])
        await olu.slash(w.channel, "photos add", photo=photo(31), title="Olu's")
        await olu.slash(w.channel, "moderate block", member=w.ben)
        await olu.slash(w.channel, "index rebuild")
        seen = await olu.slash(w.channel, "failures browse")
        await olu.select(seen.response, ["text"], custom_id=menus(seen.response)[0]["custom_id"])
        posted = await olu.send(w.channel, f"<@{w.bot.user.id}>", attachments=[FISH])
        assert len(await stored(w)) == 3
        assert _traces(own_home.home, olu.id)  # the search finds what is there

        asked = await olu.slash(w.channel, "privacy delete")
        assert "2 drawings, 1 vote, 1 photo and 1 report" in asked.response.content
        assert len(await stored(w)) == 3  # nothing before the tap
        await olu.click(asked.response, label="Delete everything")
        assert "deleted for good" in asked.response.content
        await soon(w)

        assert await _rows_with(w.services.store, olu.id) == []
        assert _traces(own_home.home, olu.id) == []
        (post,) = w.env.backend.messages[hall.id].values()
        assert "somebody shy" in texts(post)  # Mia's, which Olu's vote had brought there
        messages = w.env.backend.messages[w.channel.id]
        assert mine.id not in messages
        assert theirs.id in messages
        assert posted.id in messages  # what people wrote themselves is theirs to delete
        (left,) = await stored(w)
        assert left.author_id == w.mia.id
        # The same file was Mia's drawing too, so it stays.
        assert _files(own_home) == [left.sha256]
        sent = await olu.slash(w.channel, "failures export")
        assert "nothing to export" in sent.response.content
    assert _traces(own_home.home, olu.id) == []


async def _rows_with(store: Store, number: int) -> list[str]:
    found = []
    async with store.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in await session.execute(select(table)):
                found += [f"{table.name}: {row}" for value in row if str(number) in str(value)]
    return found


async def test_votes_of_who_is_gone_are_gone_from_the_hall_of_fame(world):
    async with world as w:
        hall = w.guild.create_text_channel("hall")
        await choose_setting(w, hall_of_fame_channel_id=hall.id, hall_of_fame_votes=1)
        await votes(await card(w), [w.ben, *crowd(w, 1)], 1, "funny")
        await soon(w)
        assert "😂 2" in texts(hall.last_message)
        asked = await w.ben.slash(w.channel, "privacy delete")
        await w.ben.click(asked.response, label="Delete everything")
        await soon(w)
        assert "😂 1" in texts(hall.last_message)


async def test_a_deleted_message_takes_its_drawings_along(world, settings):
    async with world as w:
        hall = w.guild.create_text_channel("hall")
        await choose_setting(w, hall_of_fame_channel_id=hall.id, hall_of_fame_votes=1)
        message = await w.mia.send(w.channel, f"<@{w.bot.user.id}>", attachments=[FISH])
        answer = w.channel.last_message
        await votes(answer, [w.ben], 1, "good")
        await soon(w)
        assert hall.last_message is not None
        await w.mia.delete(message)
        assert await stored(w) == []
        assert _files(settings) == []
        assert hall.last_message is None
        assert answer.id not in w.env.backend.messages[w.channel.id]


# Retention


async def test_drawings_nobody_voted_on_go_after_a_while_and_others_stay(world, settings):
    async with world as w:
        kept = await card(w)
        await votes(kept, [w.ben], 1, "good")
        car = ("car.png", drawings.render_png("car"))
        old = await w.mia.slash(w.channel, "match", drawing=car)
        await set_drawings(w, created_at=utcnow() - timedelta(days=91))
        await card(w)
        assert len(await stored(w)) == 3
        await w.env.advance_time(24 * 3600 + 10)
        assert [d.card_message_id for d in await stored(w)] == [kept.id, w.channel.last_message.id]
        assert len(_files(settings)) == 1
        assert old.response.id in w.env.backend.messages[w.channel.id]  # its card stays


async def test_a_file_without_a_row_is_swept_away_a_day_later(world, settings):
    async with world as w:
        await card(w)
        young = w.bot.drawing_files.save(b"just written")
        orphan = w.bot.drawing_files.save(b"orphan")
        os.utime(w.bot.drawing_files.path(orphan), (0, 0))
        (kept,) = await stored(w)
        os.utime(w.bot.drawing_files.path(kept.sha256), (0, 0))
        await w.env.advance_time(24 * 3600 + 10)
        assert sorted(_files(settings)) == sorted([kept.sha256, young])


async def test_an_opened_but_unused_consent_changes_nothing(world: World):
    async with world as w:
        await w.mia.slash(w.channel, "privacy opt-in", what="naming")
        async with w.services.store.read() as session:
            assert (await session.scalars(select(GivenConsent))).all() == []
            assert (await session.scalars(select(Drawing))).all() == []
