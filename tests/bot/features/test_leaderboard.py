"""/leaderboard and /stats: who stands out, and what the votes say, as people read it."""

from __future__ import annotations

import io

from PIL import Image

from tests.acting import texts
from tests.bot.features.judging import card, crowd, download, votes


async def test_an_empty_leaderboard_names_nobody(world):
    async with world as w:
        board = await w.mia.slash(w.channel, "leaderboard")
        said = texts(board.response)
        assert said.count("Nobody yet.") == 2
        assert "Nobody disagrees yet." in said
        assert "No title yet." in said


async def test_it_counts_what_others_say_and_names_only_who_agreed(world):
    async with world as w:
        voters = [w.ben, *crowd(w, 4)]
        shown = await card(w)
        await votes(shown, [w.mia, *voters[:3]], 1, "good")
        await votes(shown, voters[3:], 1, "miss")
        await votes(shown, voters[:2], 2, "funny")
        asked = await w.ben.slash(w.channel, "privacy opt-in", what="naming")
        await w.ben.click(asked.response, label="I agree")
        board = await w.mia.slash(w.channel, "leaderboard")
        said = texts(board.response)
        assert "🥇 somebody shy: 5 votes on 1 drawing" in said
        assert f"<@{w.mia.id}>" not in said
        assert f"<@{w.ben.id}>: 2 votes" in said
        assert "👍 3 · 👎 2" in said  # the most contested, without the artist's own vote
        assert "✏️ Doodler" in said
        assert "more" in said.rpartition("Doodler")[2]  # what is next


async def test_titles_are_earned_by_what_one_does(world):
    async with world as w:
        voters = crowd(w, 6)
        shown = await card(w)
        await votes(shown, voters, 1, "funny")
        said = texts((await w.mia.slash(w.channel, "leaderboard")).response)
        assert "🙂 Smile Maker" in said
        said = texts((await w.ben.slash(w.channel, "leaderboard")).response)
        assert "No title yet." in said


async def test_stats_show_a_picture_and_say_the_same_in_words(world):
    async with world as w:
        voters = [w.ben, *crowd(w, 5)]
        shown = await card(w)
        await votes(shown, voters, 1, "miss")
        await votes(shown, voters[:2], 2, "good")
        stats = await w.mia.slash(w.channel, "stats")
        assert "**1 drawing**, 8 votes in all; 8 in the last 30 days." in stats.response.content
        assert "**100%** of 1 judged drawing" in stats.response.content
        assert "(75% misses)" in stats.response.content
        (picture,) = stats.response.attachments
        image = Image.open(io.BytesIO(download(w, picture)))
        assert image.width >= 800
        assert len(image.getcolors(10**6) or []) > 10


async def test_stats_of_a_server_without_votes_say_so(world):
    async with world as w:
        stats = await w.mia.slash(w.channel, "stats")
        assert "**0 drawings**, 0 votes in all" in stats.response.content
        assert len(stats.response.attachments) == 1
