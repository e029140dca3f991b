"""The four ways in which a drawing comes, and every way in which it can go wrong."""

from __future__ import annotations

import io

import discord
import pytest
from PIL import Image
from sqlalchemy import func, select

from bot.store import server_settings
from bot.store.models import Drawing, DrawingSource, Result
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import Failure
from tests import drawings
from tests.acting import buttons, pictures, texts
from tests.conftest import World, open_world

FISH = ("fish.png", drawings.render_png("fish"))
MUG = ("mug.png", drawings.render_png("mug"))


async def _stored(w: World) -> list[Drawing]:
    async with w.services.store.read() as session:
        return list(await session.scalars(select(Drawing).order_by(Drawing.id)))


async def test_slash_shows_the_drawing_and_five_voteable_photos(world):
    async with world as w:
        result = await w.mia.slash(w.channel, "match", drawing=FISH)

        assert w.env.http_requests[-2].json == {"type": 5}, "acknowledged before anything else"
        card = result.response
        assert not card.ephemeral
        assert card.flags.components_v2
        assert not card.flags.loading
        shown = pictures(card)
        assert len(shown) == 6
        assert all(item["description"] for item in shown), "every picture has alt text"
        assert len(card.attachments) == 6
        assert len(buttons(card)) == 16  # three a photo, and "More…"
        for rank in range(1, 6):
            assert f"**{rank}. " in texts(card)


async def test_the_photos_on_the_card_are_the_gallerys_own(world, pictures_bytes):
    async with world as w:
        card = (await w.mia.slash(w.channel, "match", drawing=FISH)).response
        photos = [item for item in card.attachments if item.filename.startswith("photo-")]
        for photo in photos:
            image = Image.open(io.BytesIO(await photo.read())).convert("RGB")
            distance = min(
                max(abs(a - b) for a, b in zip(image.resize((4, 4)).tobytes(), other, strict=True))
                for other in pictures_bytes
            )
            assert distance <= 4


@pytest.fixture
def pictures_bytes(pictures):
    return [
        Image.open(path).convert("RGB").resize((4, 4)).tobytes() for path in pictures.glob("*.jpg")
    ]


async def test_everything_about_the_drawing_is_stored(world):
    async with world as w:
        result = await w.mia.slash(w.channel, "match", drawing=FISH)

        (drawing,) = await _stored(w)
        assert drawing.author_id == w.mia.id
        assert drawing.guild_id == w.guild.id
        assert drawing.channel_id == w.channel.id
        assert drawing.source is DrawingSource.SLASH
        assert drawing.card_message_id == result.response.id
        assert w.services.drawing_files.read(drawing.sha256) == FISH[1]
        async with w.services.store.read() as session:
            rows = list(await session.scalars(select(Result).order_by(Result.rank)))
        assert [row.rank for row in rows] == [1, 2, 3, 4, 5]
        assert all(row.generation and row.encoder and len(row.photo_id) == 64 for row in rows)
        assert rows[0].score >= rows[-1].score


async def test_markdown_in_titles_and_credits_is_shown_as_it_is(world):
    async with world as w:
        seen = ""
        for name in drawings.names()[:8]:
            picture = (f"{name}.png", drawings.render_png(name))
            seen += texts((await w.mia.slash(w.channel, "match", drawing=picture)).response)
        assert "A \\*red\\* thing" in seen
        assert "Ann\\_Onymous" in seen


async def test_message_command_answers_somebody_elses_drawings(world):
    async with world as w:
        message = await w.ben.send(w.channel, "look", attachments=[FISH, MUG])
        result = await w.mia.context_menu(w.channel, "Find photos", message)

        assert len(pictures(result.response)) == 6
        assert len(result.followups) == 1
        assert len(pictures(result.followups[0])) == 6
        stored = await _stored(w)
        assert [d.source for d in stored] == [DrawingSource.MESSAGE_COMMAND] * 2
        assert {d.author_id for d in stored} == {w.ben.id}, "the drawing is who drew it's"


async def test_message_command_without_a_picture_says_so_to_that_person_only(world):
    async with world as w:
        message = await w.ben.send(w.channel, "no drawing here")
        result = await w.mia.context_menu(w.channel, "Find photos", message)
        assert result.response.ephemeral
        assert "no picture" in result.response.content


async def test_mention_is_answered_without_the_message_content_intent(settings):
    without = discord.Intents.all()
    without.message_content = False
    async with open_world(settings, own_worker=False, message_content=False, approved=without) as w:
        await w.mia.send(w.channel, f"<@{w.bot.user.id}> what is it?", attachments=[FISH])
        reply = w.channel.last_message
        assert reply.author.id == w.bot.user.id
        assert len(reply.attachments) == 6
        assert (await _stored(w))[0].source is DrawingSource.MENTION


async def test_a_message_that_is_not_for_the_bot_is_left_alone(world):
    async with world as w:
        message = await w.mia.send(w.channel, "for my friends", attachments=[FISH])
        assert w.channel.last_message.id == message.id
        assert await _stored(w) == []


async def test_drawing_channel_answers_up_to_four_of_several_drawings(world):
    async with world as w:
        async with w.services.store.write() as session:
            await server_settings.change(session, w.guild.id, 1, drawing_channel_id=w.channel.id)
        five = [(f"{n}.png", drawings.render_png("mug", width=4 + n)) for n in range(5)]
        await w.mia.send(w.channel, attachments=five)
        stored = await _stored(w)
        assert len(stored) == 4
        assert "up to 4" in _private_messages(w)[-1]
        assert {d.source for d in stored} == {DrawingSource.CHANNEL}
        assert all(d.card_message_id for d in stored)


async def test_other_files_in_the_drawing_channel_are_left_alone(world):
    async with world as w:
        async with w.services.store.write() as session:
            await server_settings.change(session, w.guild.id, 1, drawing_channel_id=w.channel.id)
        message = await w.mia.send(w.channel, "notes", attachments=[("notes.txt", b"hello")])
        assert w.channel.last_message.id == message.id


async def test_bots_are_not_answered(world):
    async with world as w:
        other = w.guild.add_member(w.env.create_user("other", bot=True))
        message = await other.send(w.channel, f"<@{w.bot.user.id}>", attachments=[FISH])
        assert w.channel.last_message.id == message.id


def _gif() -> bytes:
    frames = [Image.new("L", (64, 64), tone) for tone in (0, 128, 255)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50)
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


BAD = {
    "text file": (("notes.txt", b"hello"), "is not a picture"),
    "text called png": (("notes.png", b"hello, I am not a picture"), "cannot read that"),
    "too many bytes": (("big.png", b"\x89PNG" + bytes(10 * 2**20)), "MB"),
    "too many pixels": (("wide.png", _png(Image.new("1", (20_000, 20)))), "too many pixels"),
    "animated": (("dance.gif", _gif()), "moves"),
    "damaged": (("cut.png", FISH[1][: len(FISH[1]) // 2]), "damaged"),
    "empty": (("empty.png", b""), "empty"),
    "blank": (("blank.png", _png(Image.new("L", (300, 300), 255))), "nothing drawn"),
}


@pytest.mark.parametrize(("upload", "says"), BAD.values(), ids=BAD.keys())
async def test_a_bad_upload_gets_its_own_sentence_seen_by_that_person_only(world, upload, says):
    async with world as w:
        result = await w.mia.slash(w.channel, "match", drawing=upload)
        told = _told_privately(result)
        assert says in told.content
        assert await _stored(w) == []


def _told_privately(result):
    """Return what the person alone was told, having checked that nothing else is left to see."""
    messages = [m for m in (result.response, *result.followups) if m is not None]
    assert len(messages) == 1, messages
    assert messages[0].ephemeral
    assert not messages[0].flags.loading, "it still shows thinking…"
    return messages[0]


async def test_one_bad_file_among_several_does_not_keep_the_others_from_their_answer(world):
    async with world as w:
        bad = ("cut.png", FISH[1][:300])
        message = await w.ben.send(w.channel, attachments=[bad, FISH])
        result = await w.mia.context_menu(w.channel, "Find photos", message)
        seen = [m for m in (result.response, *result.followups) if m is not None]
        cards = [m for m in seen if not m.ephemeral]
        notes = [m for m in seen if m.ephemeral]
        assert len(cards) == 1
        assert len(pictures(cards[0])) == 6
        assert len(notes) == 1
        assert "damaged" in notes[0].content


async def test_no_index_yet_says_what_to_do(settings, worker):
    changed = settings.model_copy(update={"collection": "nobody-built-this"})
    async with open_world(changed, own_worker=False) as w:
        told = _told_privately(await w.mia.slash(w.channel, "match", drawing=FISH))
        assert "`/photos add`" in told.content


class _FailingClient:
    def __init__(self, failure: Failure | Exception) -> None:
        self._failure = failure

    async def match(self, *_: object) -> None:
        if isinstance(self._failure, Failure):
            raise RetrievalError.of(self._failure)
        raise self._failure


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (Failure("busy", retry_after=7.2), "7 seconds"),
        (Failure("worker_gone"), "starting again"),
        (Failure("expired"), "took too long"),
        (Failure("crashed_twice"), "twice"),
        (Failure("other_encoder"), "another encoder"),
        (Failure("bad_index"), "damaged"),
    ],
)
async def test_what_the_worker_cannot_do_is_told_in_private(settings, failure, says):
    async with open_world(settings, own_worker=False, retrieval=_FailingClient(failure)) as w:
        told = _told_privately(await w.mia.slash(w.channel, "match", drawing=FISH))
        assert says in told.content


async def test_an_unexpected_error_is_logged_under_the_id_that_the_person_gets(settings, capsys):
    client = _FailingClient(ZeroDivisionError("secret detail"))
    async with open_world(settings, own_worker=False, retrieval=client) as w:
        told = _told_privately(await w.mia.slash(w.channel, "match", drawing=FISH))
        assert "secret detail" not in told.content
        incident = told.content.split("`")[1]
        logged = "".join(capsys.readouterr())
        assert incident in logged
        assert "ZeroDivisionError" in logged


async def test_discord_refusing_the_upload_is_told_in_private(world):
    async with world as w:
        w.env.inject_error("PATCH", "/webhooks/*/messages/@original", status=413, code=40005)
        told = _told_privately(await w.mia.slash(w.channel, "match", drawing=FISH))
        assert "Discord refused" in told.content


async def test_nothing_is_left_to_see_when_discord_takes_not_even_the_private_note(world):
    async with world as w:
        w.env.inject_error("POST", "/webhooks/*", status=500, times=None)
        result = await w.mia.slash(w.channel, "match", drawing=("cut.png", FISH[1][:300]))
        assert result.response is None
        assert result.followups == []


async def test_a_mention_that_fails_is_told_to_the_author_and_not_to_the_channel(world):
    async with world as w:
        text = f"<@{w.bot.user.id}>"
        message = await w.mia.send(w.channel, text, attachments=[("cut.png", FISH[1][:300])])
        assert w.channel.last_message.id == message.id
        assert "damaged" in _private_messages(w)[-1]


def _private_messages(w: World) -> list[str]:
    """Return what the bot wrote to Mia alone."""
    private = w.env.backend.get_dm_channel(w.mia.id)
    return [message.content for message in w.env.backend.messages[private.id].values()]


async def test_a_mention_without_a_drawing_is_told_what_is_missing_but_a_reply_is_not(world):
    async with world as w:
        card = (await w.mia.slash(w.channel, "match", drawing=FISH)).response
        await w.mia.send(w.channel, "haha", reply_to=card)
        private = w.env.backend.get_dm_channel(w.mia.id)
        assert not w.env.backend.messages.get(private.id)
        await w.mia.send(w.channel, f"<@{w.bot.user.id}> hello?")
        assert "no picture" in _private_messages(w)[-1]


async def test_a_mention_that_fails_is_told_briefly_in_the_channel_when_the_author_takes_no_dms(
    world,
):
    async with world as w:
        w.env.inject_error("POST", "/channels/*/messages", status=403, code=50007)
        text = f"<@{w.bot.user.id}>"
        message = await w.mia.send(w.channel, text, attachments=[("cut.png", FISH[1][:300])])
        assert "damaged" in w.channel.last_message.content
        await w.env.advance_time(31)
        assert w.channel.last_message.id == message.id


async def test_a_direct_message_is_answered(world):
    async with world as w:
        user = w.env.create_user("shy")
        w.guild.add_member(user)
        private = w.env.backend.get_dm_channel(user.id)
        await user.send_dm("look", attachments=w.env.backend.store_attachments(private.id, [FISH]))
        (drawing,) = await _stored(w)
        assert drawing.guild_id is None


async def test_the_same_drawing_twice_is_two_drawings_and_one_file(world):
    async with world as w:
        await w.mia.slash(w.channel, "match", drawing=FISH)
        await w.ben.slash(w.channel, "match", drawing=FISH)
        stored = await _stored(w)
        assert len({d.id for d in stored}) == 2
        assert len({d.sha256 for d in stored}) == 1
        kept = [path for path in w.services.drawing_files.root.rglob("*") if path.is_file()]
        assert len(kept) == 1
        async with w.services.store.read() as session:
            assert await session.scalar(select(func.count()).select_from(Result)) == 10
