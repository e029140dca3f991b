"""What the bot says of a busy month equals a recount of it, and it says so within a second.

To measure it: ``pytest -s tests/end_to_end/test_a_busy_month.py``.
"""

from __future__ import annotations

import io
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import discord
from PIL import Image
from sqlalchemy import insert

from bot.store.models import Consent, GivenConsent
from bot.store.standings import Deeds
from bot.ui import titles
from tests import drawings
from tests.acting import pictures, texts, waiting_views
from tests.bot.store.recount import Recount, lower
from tests.conftest import COLLECTION, World
from tests.simulated_month import Found, Month, live_through

SECONDS = 1.0  # for the median of an answer
CALLS = 5
PAGES = 3
MEMBERS, DRAWINGS, VOTES = 300, 5_000, 60_000
FACES = {"good": "👍", "miss": "👎", "funny": "😂"}
BOARDS = {"funniest": "😂", "best": "🏆", "worst": "🙈"}
PERIODS = {"this week": 7, "this month": 30, "ever": None}
MEDALS = ("🥇", "🥈", "🥉", *(f"{place}." for place in range(4, 11)))


@dataclass
class Busy:
    """A world in which a month has passed, and how long its answers take."""

    w: World
    recount: Recount
    members: list[Any]
    open_channels: set[int]
    medians: dict[str, float] = field(default_factory=dict)

    async def ask(self, name: str, who: Any, command: str, **options: Any) -> Any:
        """Ask some times, each time anew; return the last answer."""
        # What is slow is so every time; a busy machine is not.
        for _ in range(3):
            taken = []
            for _ in range(CALLS):
                self._close_pages()
                started = time.perf_counter()
                result = await who.slash(self.w.channel, command, **options)
                taken.append(time.perf_counter() - started)
            self.medians[name] = statistics.median(taken)
            if self.medians[name] <= SECONDS:
                break
        return result.response

    def _close_pages(self) -> None:
        """Let what was opened before be over: the simulated Discord is slow with many views."""
        for kind in ("HallPage", "FailurePage"):
            for view in waiting_views(self.w, kind):
                view.stop()

    def name(self, user: int) -> str:
        """Return how a member is named in public; every other one has agreed to it."""
        agreed = {member.id for member in self.members[::2]}
        return f"<@{user}>" if user in agreed else "somebody shy"

    def entry(self, result: int, *, own: bool) -> list[str]:
        """Return what is said of a photo: its title, the votes on it, where its card is."""
        _, drawing, title, *_ = self.recount.results[result]
        card = f"/{self.w.guild.id}/{self.recount.drawings[drawing][2]}/{10**18 + drawing})"
        return [title.replace("*", r"\*"), _tally(self.recount.counts(own=own)[result]), card]


def _tally(count: Counter[str]) -> str:
    return " · ".join(f"{face} {count[kind]:,}" for kind, face in FACES.items() if count[kind])


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"


async def _live(w: World) -> Busy:
    """Let the month pass: in three channels, one of them hidden and one with an age limit."""
    members = [w.guild.add_member(w.env.create_user(f"member{n}")) for n in range(MEMBERS)]
    nobody = {w.guild.default_role: discord.PermissionOverwrite(view_channel=False)}
    hidden = w.guild.create_text_channel("hidden", overwrites=nobody)
    late, busy = w.guild.create_text_channel("late"), w.guild.create_text_channel("busy")
    w.bot.get_guild(w.guild.id).get_channel(late.id).nsfw = True
    month = Month(
        guild_id=w.guild.id,
        channels=[w.channel.id, busy.id, hidden.id, late.id],
        members=[member.id for member in members],
        drawings=DRAWINGS,
        votes=VOTES,
        now=datetime.now(UTC),
        restricted=frozenset({late.id}),
    )
    found = await _found(w)
    store = w.services.store
    await live_through(store, month, found)
    elsewhere = Month(1, month.channels, month.members, 200, 3_000, month.now, before=DRAWINGS)
    await live_through(store, elsewhere, found)
    consents = [
        {"user_id": member.id, "consent": Consent.NAMING, "text_version": 1}
        for member in members[::2]
    ]
    async with store.write() as session:
        await session.execute(insert(GivenConsent), consents)
    recount = Recount(w.services.settings.home / "magic-pencil.db", w.guild.id)
    assert (len(recount.drawings), len(recount.votes)) == (DRAWINGS, VOTES)
    return Busy(w, recount, members, {w.channel.id, busy.id})


async def _found(w: World) -> list[Found]:
    """Keep some dozens of drawings, and let the worker find what they look like."""
    chance = random.Random(0)
    found = []
    for number, name in enumerate(drawings.names()):
        width, colour = chance.choice((3, 6, 9)), chance.choice(("black", "navy", "darkred"))
        picture = drawings.render_png(name, chance.choice((200, 400)), width, colour)
        matches = (await w.services.retrieval.match(picture, (COLLECTION,))).matches
        sha256 = w.services.drawing_files.save(picture)
        # Titled by what is drawn, so that some things are harder to draw than others.
        found.append(Found(sha256, [(match.photo_id, f"A *{name}* {number}") for match in matches]))
    assert len({one.sha256 for one in found}) > 30
    return found


async def _hall_of_fame(busy: Busy, board: str, period: str) -> None:
    days = PERIODS[period]
    since = datetime.now(UTC) - timedelta(days=days) if days else datetime.min
    ranked = busy.recount.hall(
        board, f"{since:%Y-%m-%d %H:%M:%S.%f}", busy.open_channels, restricted=False
    )
    assert len(ranked) == 50
    asker = busy.members[0]
    name = f"/hall-of-fame {board} {period}"
    hall = await busy.ask(name, asker, "hall-of-fame", board=board, period=period)
    for page, result in enumerate(ranked[:PAGES], start=1):
        if page > 1:
            await asker.click(hall, label="▶")
        heading, *about = texts(hall).splitlines()
        assert heading == f"### {BOARDS[board]} {board.title()} {period} · {page} of 50"
        title, tally, card = busy.entry(result, own=False)
        artist = busy.recount.artist(result)
        assert about[:2] == [f"**{title}**", tally]
        assert about[2].startswith(f"-# drawn by {busy.name(artist)} · [see the card](")
        assert about[2].endswith(card)
        assert len(pictures(hall)) == len(hall.attachments) == 2
        await _is_a_picture(hall.attachments[0], "PNG")
        await _is_a_picture(hall.attachments[1], "JPEG")


async def _leaderboard(busy: Busy) -> None:
    recount = busy.recount
    artists, voters = recount.artists()[:10], recount.voters()[:10]
    contested = recount.contested(busy.open_channels, restricted=False)[:3]
    asker = next(member for member in busy.members if member.id == artists[0][0])
    said = texts(await busy.ask("/leaderboard", asker, "leaderboard"))
    headings, sections = zip(*_sections(said), strict=True)
    assert headings == ("🎨 Artists", "🗳️ Voters", "⚔️ Most contested", f"🎖️ {asker.name}")
    assert sections[0] == [
        f"{medal} {busy.name(artist)}: {points:,} votes on {_counted(drawn, 'drawing')}"
        for medal, (artist, points, drawn) in zip(MEDALS, artists, strict=True)
    ]
    assert sections[1] == [
        f"{medal} {busy.name(voter)}: {given:,} votes"
        for medal, (voter, given) in zip(MEDALS, voters, strict=True)
    ]
    for line, result in zip(sections[2], contested, strict=True):
        title, tally, card = busy.entry(result, own=False)
        assert line.startswith(f"{tally} · [{title}](")
        assert line.endswith(card)
    deeds = Deeds(**recount.deeds(asker.id))
    assert sections[3] == [" · ".join(titles.earned(deeds))]
    assert f"-# {titles.next_title(deeds)}\n" in said


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """Split a text at its headings; what is printed small is left out."""
    split = [part.splitlines() for part in text.split("### ") if part]
    return [(title, [line for line in lines if line[:2] != "-#"]) for title, *lines in split]


async def _stats(busy: Busy) -> None:
    days = {datetime.now(UTC).date()}
    stats = await busy.ask("/stats", busy.members[0], "stats")
    days.add(datetime.now(UTC).date())  # at midnight, either
    recount = busy.recount
    encoder, hits, judged = recount.encoders()[-1]
    low, high = lower(hits, judged, 1.96), 1 - lower(judged - hits, judged, 1.96)
    hardest = ", ".join(
        f"{title.replace('*', chr(92) + '*')} ({misses / of:.0%} misses)"
        for title, misses, of in recount.hardest()[:3]
    )
    assert stats.content in {
        f"**{DRAWINGS:,} drawings**, {VOTES:,} votes in all; {_last_30_days(recount, day):,} in "
        f"the last 30 days.\nSomething right for **{hits / judged:.0%}** of {judged:,} judged "
        f"drawings (encoder {encoder}; with luck taken into account {low:.0%} to {high:.0%}).\n"
        f"Hardest: {hardest}."
        for day in days
    }
    (plot,) = stats.attachments
    assert await _is_a_picture(plot, "PNG") == (1000, 1400)


def _last_30_days(recount: Recount, today: date) -> int:
    first = (today - timedelta(days=29)).isoformat()
    return sum(votes for (day, _), votes in recount.by_day().items() if day >= first)


async def _failures(busy: Busy) -> None:
    recount = busy.recount
    failed = sorted(
        recount.failures(), key=lambda r: (-recount.results[r][1], recount.results[r][4])
    )
    assert len(failed) > 500
    asker = busy.w.moderator
    shown = await busy.ask("/failures browse", asker, "failures browse")
    for page, result in enumerate(failed[:PAGES], start=1):
        if page > 1:
            await asker.click(shown, label="Older ▶")
        heading, *about = texts(shown).splitlines()
        assert heading == f"### 🔍 Failures · {page} of {len(failed):,}"
        title, tally, card = busy.entry(result, own=True)
        *_, encoder, rank = recount.results[result]
        assert about[:2] == [f"**{title}**", tally]
        assert about[2].startswith(f"-# drawn by <@{recount.artist(result)}> · [see the card](")
        assert about[2].endswith(card)
        assert about[3].startswith(f"-# photo {rank} · ")
        assert f"encoder {encoder} · no note" in about[3]
        assert len(pictures(shown)) == 2


async def _is_a_picture(attachment: Any, kind: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(await attachment.read())) as image:
        image.load()
        assert image.format == kind
        return image.size


async def test_what_is_said_of_a_busy_month_is_right_and_said_within_a_second(world):
    async with world as w:
        busy = await _live(w)
        for board in BOARDS:
            for period in PERIODS:
                await _hall_of_fame(busy, board, period)
        await _leaderboard(busy)
        await _stats(busy)
        await _failures(busy)
        for name, median in busy.medians.items():
            print(f"{name:32} {median * 1000:5.0f} ms")
        assert {name: median for name, median in busy.medians.items() if median > SECONDS} == {}
