"""/failures: moderators look at what votes call a failure, note why, and export it."""

from __future__ import annotations

import io
import json
import zipfile

from retrieval import failure_set
from tests.acting import menus, show_to_everybody, texts
from tests.bot.features.judging import card, crowd, download, result_at, votes
from tests.conftest import World


async def _failed(w: World, kinds: tuple[str, ...] = ("miss", "good")) -> None:
    """Mia's drawing: the photo on place 1 is a failure, that on place 2 is right."""
    voters = [w.ben, *crowd(w, 3)]
    shown = await card(w)
    for rank, kind in enumerate(kinds, start=1):
        await votes(shown, voters, rank, kind)


async def test_browsing_shows_failures_and_nothing_else(world):
    async with world as w:
        empty = await w.moderator.slash(w.channel, "failures browse")
        assert empty.response.ephemeral
        assert "three of three" in texts(empty.response)
        await _failed(w)
        seen = await w.moderator.slash(w.channel, "failures browse")
        said = texts(seen.response)
        assert "Failures · 1 of 1" in said
        assert "👎 4" in said
        assert (await result_at(w, 1)).title in said.replace("\\", "")
        assert "no note" in said
        assert len(seen.response.attachments) == 2


async def test_two_misses_are_not_yet_a_failure_and_one_taken_back_ends_it(world):
    async with world as w:
        voters = crowd(w, 3)
        shown = await card(w)
        await votes(shown, voters[:2], 1, "miss")
        assert "None." in texts((await w.moderator.slash(w.channel, "failures browse")).response)
        await votes(shown, voters[2:], 1, "miss")
        assert "1 of 1" in texts((await w.moderator.slash(w.channel, "failures browse")).response)
        await votes(shown, voters[2:], 1, "miss")
        assert "None." in texts((await w.moderator.slash(w.channel, "failures browse")).response)


async def test_notes_are_kept_and_filtered_on(world):
    async with world as w:
        await _failed(w, ("miss", "miss"))
        seen = await w.moderator.slash(w.channel, "failures browse")
        assert "1 of 2" in texts(seen.response)
        noting, filtering = menus(seen.response)
        await w.moderator.select(
            seen.response, ["orientation", "text"], custom_id=noting["custom_id"]
        )
        assert "wrong orientation, text" in texts(seen.response)
        filtering = menus(seen.response)[1]
        await w.moderator.select(seen.response, ["text"], custom_id=filtering["custom_id"])
        assert "1 of 1" in texts(seen.response)
        noted = await w.moderator.slash(w.channel, "failures browse", note="orientation")
        assert "1 of 1" in texts(noted.response)
        other = await w.moderator.slash(w.channel, "failures browse", note="abusive")
        assert "None." in texts(other.response)
        noting = menus(noted.response)[0]
        await w.moderator.select(noted.response, [], custom_id=noting["custom_id"])
        assert "None." in texts(noted.response)


async def test_members_are_refused_and_another_servers_failures_are_not_shown(world):
    async with world as w:
        await _failed(w)
        await show_to_everybody(w, "failures")
        for command in ("failures browse", "failures export"):
            refused = await w.mia.slash(w.channel, command)
            assert "manage" in refused.response.content.lower()
        other = w.env.create_guild("Elsewhere")
        channel = other.create_text_channel("here")
        owner = other.add_member(w.env.create_user("owner"))
        w.env.backend.guilds[other.id].owner_id = owner.id
        seen = await owner.slash(channel, "failures browse")
        assert "None." in texts(seen.response)


async def test_an_export_names_nobody_and_can_be_read(world, tmp_path):
    async with world as w:
        await _failed(w)
        seen = await w.moderator.slash(w.channel, "failures browse")
        noting = menus(seen.response)[0]
        await w.moderator.select(seen.response, ["orientation"], custom_id=noting["custom_id"])
        asked = await w.mia.slash(w.channel, "privacy opt-in", what="training")
        await w.mia.click(asked.response, label="I agree")
        sent = await w.moderator.slash(w.channel, "failures export")
        assert sent.response.ephemeral
        assert "1 drawing: 1 failure, 1 right" in sent.response.content
        data = download(w, sent.response.attachments[0])
        (file := tmp_path / "failures.zip").write_bytes(data)
        everyone = [w.mia.id, w.ben.id, w.moderator.id, w.guild.id, w.channel.id]
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            content = b"".join(packed.read(name) for name in packed.namelist())
            names = " ".join(packed.namelist())
        for number in everyone:
            assert str(number).encode() not in content
            assert number.to_bytes(8, "little") not in content
            assert number.to_bytes(8, "big") not in content
            assert str(number) not in names
        assert "datasheet.md" in names

        read = failure_set.read(file)
        (case,) = read.cases
        first, second, *rest = case.photos
        assert (first.verdict, first.miss, first.notes) == ("failure", 4, ("orientation",))
        assert (second.verdict, second.good) == ("good", 4)
        assert {photo.verdict for photo in rest} == {"undecided"}
        assert case.may_train
        stored = await result_at(w, 1)
        assert first.score == stored.score
        assert first.photo_id == stored.photo_id
        assert case.encoder == stored.encoder
        assert read.drawing(case).startswith(b"\x89PNG")


async def test_without_consent_a_case_is_for_evaluation_alone(world):
    async with world as w:
        await _failed(w)
        sent = await w.moderator.slash(w.channel, "failures export")
        data = download(w, sent.response.attachments[0])
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            (line,) = packed.read("cases.jsonl").splitlines()
        assert json.loads(line)["may_train"] is False


async def test_an_export_of_nothing_is_said_to_be_one(world):
    async with world as w:
        sent = await w.moderator.slash(w.channel, "failures export")
        assert "nothing to export yet" in sent.response.content
