"""Behind "More…": what was seen of a drawing, for who drew it, and why a photo was found."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import delete

from bot.store import server_settings
from bot.store.models import Drawing, Result
from retrieval.serving.errors import RetrievalError
from tests import drawings
from tests.acting import button, buttons, menus, pictures, texts
from tests.conftest import World, open_world

CHALK = ("fish.png", drawings.render_png("fish", colour="white", background="#223344"))


async def _menu(w: World, who: Any, card: Any) -> Any:
    return (await who.click(card, custom_id=button(card, "More…"))).response


async def _card(w: World, drawing: tuple[str, bytes] = CHALK) -> Any:
    return (await w.mia.slash(w.channel, "match", drawing=drawing)).response


async def _why(who: Any, menu: Any, rank: int = 1) -> Any:
    (choice,) = (one for one in menus(menu) if one["placeholder"].startswith("Why"))
    value = choice["options"][rank - 1]["value"]
    return await who.select(menu, [value], custom_id=choice["custom_id"])


async def test_who_drew_it_sees_what_was_seen_and_what_was_done(world):
    async with world as w:
        menu = await _menu(w, w.mia, await _card(w))
        told = await w.mia.click(menu, label="See what I saw")
        shown = told.response
        assert shown.ephemeral
        assert "I made the light lines dark" in texts(shown)
        assert [len(item["description"]) > 20 for item in pictures(shown)] == [True, True]
        subject = Image.open(io.BytesIO(await shown.attachments[0].read()))
        assert subject.size == (512, 512)
        assert subject.getpixel((3, 3)) == 255, "dark on white, as the encoder has it"
        assert min(subject.tobytes()) < 30


async def test_nobody_else_gets_the_button(world):
    async with world as w:
        card = await _card(w)
        for who in (w.ben, w.moderator):
            assert "See what I saw" not in buttons(await _menu(w, who, card)).values()


async def test_who_drew_it_is_asked_again_at_the_tap(world):
    async with world as w:
        menu = await _menu(w, w.mia, await _card(w))
        async with w.services.store.write() as session:
            (await session.get(Drawing, 1)).author_id = w.ben.id
        told = await w.mia.click(menu, label="See what I saw")
        shown = told.response
        assert "only to the one who drew it" in shown.content
        assert shown.attachments == []


async def test_anybody_sees_where_drawing_and_photo_agree(world):
    async with world as w:
        menu = await _menu(w, w.ben, await _card(w))
        told = await _why(w.ben, menu, rank=2)
        shown = told.response
        assert shown.ephemeral
        assert "**2. " in texts(shown)
        (picture,) = pictures(shown)
        assert "On the left the drawing" in picture["description"]
        image = Image.open(io.BytesIO(await shown.attachments[0].read()))
        assert (image.format, image.width) == ("JPEG", 1200)
        assert image.height < 1300
        async with w.services.store.read() as session:
            result = await session.get(Result, 2)
        assert result.title in picture["description"]


async def test_a_photo_of_another_encoders_time_is_said_to_be(world):
    async with world as w:
        menu = await _menu(w, w.mia, await _card(w))
        assert "another one" not in texts((await _why(w.mia, menu)).response)
        async with w.services.store.write() as session:
            (await session.get(Result, 1)).encoder = "older@12345678"
        assert "another one" in texts((await _why(w.mia, menu)).response)


async def _photo_gone(w: World) -> None:
    async with w.services.store.write() as session:
        (await session.get(Result, 1)).photo_id = "0" * 64


async def _not_searched(w: World) -> None:
    async with w.services.store.write() as session:
        await server_settings.change(session, w.guild.id, 1, collections=("elsewhere",))


async def _drawing_gone(w: World) -> None:
    for path in w.services.settings.drawings.glob("*/*"):
        path.unlink()


async def _all_gone(w: World) -> None:
    async with w.services.store.write() as session:
        await session.execute(delete(Drawing))


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (_photo_gone, "not there any more"),
        (_not_searched, "not searched here any more"),
        (_drawing_gone, "do not have that drawing any more"),
        (_all_gone, "This result is gone"),
    ],
)
async def test_what_is_gone_since_the_card_came_is_told(world, happens, says):
    async with world as w:
        menu = await _menu(w, w.mia, await _card(w))
        await happens(w)
        told = await _why(w.mia, menu)
        shown = told.response
        assert shown.ephemeral
        assert says in shown.content
        assert shown.attachments == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RetrievalError("no_cells"), "which parts"),
        (RetrievalError("busy", retry_after=3), "try again in 3 seconds"),
        (RetrievalError("worker_gone"), "try once more"),
    ],
)
async def test_where_the_worker_cannot_say_the_person_reads_why(world, monkeypatch, error, says):
    async with world as w:
        menu = await _menu(w, w.mia, await _card(w))

        async def fail(_: object) -> None:
            raise error

        monkeypatch.setattr(w.services.retrieval, "explain", fail)
        assert says in (await _why(w.mia, menu)).response.content


async def test_the_menu_of_a_card_from_before_a_restart_explains_too(settings):
    async with open_world(settings, own_worker=False) as w:
        card = await _card(w)
        await w.restart()
        menu = await _menu(w, w.mia, card)
        assert len(pictures((await _why(w.mia, menu, rank=5)).response)) == 1
        assert menus(menu)[0]["placeholder"] == "Why this photo?…"
