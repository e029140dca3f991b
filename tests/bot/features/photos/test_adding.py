"""Photos come in by a command or from a message, and what came of it is told."""

from __future__ import annotations

import io
import time

from tests.bot.features.photos.moderating import found_for, photo, titles
from tests.conftest import paint


async def test_photos_are_added_with_one_command_and_found_within_ten_seconds(world):
    async with world as w:
        started = time.monotonic()
        result = await w.moderator.slash(
            w.channel,
            "photos add",
            photo=photo(40),
            photo2=photo(41),
            photo3=("notes.txt", b"not a picture"),
            title="Red shapes",
            credit="Olu",
        )
        told = result.response.content
        assert "2 new: **Red shapes**, **Red shapes (2)**. They can be found now." in told
        assert "⚠️ **notes.txt** is not a picture. Send it as a PNG" in told
        shown = await found_for(w, 41)
        assert "Photo 1: Red shapes (2). By Olu." in shown[0] or any(
            "Red shapes (2)" in one for one in shown
        )
        assert time.monotonic() - started < 10


async def test_the_same_photo_twice_is_one_and_one_nearly_the_same_is_told(world):
    async with world as w:
        await w.moderator.slash(w.channel, "photos add", photo=photo(42), title="First")
        again = await w.moderator.slash(w.channel, "photos add", photo=photo(42), title="Again")
        assert "1 was here already" in again.response.content
        buffer = io.BytesIO()
        paint(42, 320).resize((300, 300)).save(buffer, "JPEG", quality=70)
        alike = await w.moderator.slash(
            w.channel, "photos add", photo=("small.jpg", buffer.getvalue()), title="Smaller"
        )
        assert "1 new: **Smaller**. It can be found now." in alike.response.content
        assert "Nearly the same picture twice" in alike.response.content
        assert "Smaller · First" in alike.response.content
        assert sorted(await titles(w)) == ["First", "Smaller"]


async def test_what_came_of_many_photos_with_long_titles_fits_one_message(world):
    async with world as w:
        names = ["photo", *(f"photo{number}" for number in range(2, 11))]
        given = {name: photo(110 + number) for number, name in enumerate(names)}
        told = await w.moderator.slash(w.channel, "photos add", **given, title="_" * 200)
        assert "10 new: " in told.response.content
        assert len(await titles(w)) == 10
