"""A crowd that votes on one card, all at once; as a program, the bot that it votes with.

``crowd.py HOME SOCKET`` opens a world around the real bot, which has its database in the folder
HOME and the worker at SOCKET, and prints one line for each vote as soon as it is confirmed::

    confirmed RESULT_ID USER_ID KIND OUTCOME

It is there to be killed half-way.
"""

from __future__ import annotations

import asyncio
import functools
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import logs
from bot.settings import Settings
from bot.store.models import VoteKind
from tests import drawings
from tests.acting import buttons, together
from tests.conftest import World, open_world

MEMBERS = 200
KINDS = tuple(VoteKind)


@dataclass(frozen=True, slots=True)
class Tap:
    """One member taps one button."""

    member: int  # from 0
    rank: int  # of the photo, from 1
    kind: VoteKind


def taps(seed: int = 0) -> list[Tap]:
    """Return everybody's taps: most vote once, some for several photos, twice, or anew."""
    chance = random.Random(seed)
    made = []
    for member in range(MEMBERS):
        rank = chance.choice((1, 1, 1, 2, 3, 4, 5))  # one photo is everybody's favourite
        kind = chance.choice(KINDS)
        made.append(Tap(member, rank, kind))
        if member % 8 == 0:
            made.append(Tap(member, rank, kind))  # taken back
        elif member % 8 == 1:
            made.append(Tap(member, rank, chance.choice([k for k in KINDS if k != kind])))
        elif member % 8 == 2:
            made.append(Tap(member, rank % 5 + 1, kind))
    chance.shuffle(made)
    return made


async def gather(w: World) -> tuple[Any, list[Any]]:
    """Post a card, and let people come who can vote on it."""
    fish = ("fish.png", drawings.render_png("fish"))
    card = (await w.mia.slash(w.channel, "match", drawing=fish)).response
    return card, [w.guild.add_member(w.env.create_user(f"voter{n}")) for n in range(MEMBERS)]


async def tap_all(
    w: World,
    card: Any,
    members: Sequence[Any],
    made: Sequence[Tap],
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Let them tap before the bot has answered anybody, and wait until all taps are confirmed.

    What is told of each is what the module says; the bot has committed the vote by then.
    """
    voting, left = w.bot.voting, len(made)
    cast = voting._cast

    async def cast_and_tell(guild_id: int, result_id: int, user_id: int, kind: VoteKind) -> Any:
        nonlocal left
        outcome = await cast(guild_id, result_id, user_id, kind)
        left -= 1
        tell(f"confirmed {result_id} {user_id} {kind} {outcome}")
        return outcome

    voting._cast = cast_and_tell
    ids = list(buttons(card))
    with together(w.env):
        for tap in made:
            wanted = [custom_id for custom_id in ids if custom_id.endswith(f":{tap.kind}")]
            await members[tap.member].click(card, custom_id=wanted[tap.rank - 1])
            await asyncio.sleep(0)  # each tap is a frame of its own on the gateway
    async with asyncio.timeout(60):
        while left:
            await asyncio.sleep(0.05)


async def until_all_are_answered() -> None:
    """Wait until the bot has nothing more to do for anybody who tapped.

    ``settle`` looks at every task each time that one of them moves, which takes long with so many.
    """
    async with asyncio.timeout(60):
        while any("VoteButton" in task.get_name() for task in asyncio.all_tasks()):
            await asyncio.sleep(0.05)


async def main(home: Path, socket: Path) -> None:
    settings = Settings(home=home, socket=socket, discord_token=None)
    logs.configure(settings)  # to standard error
    async with open_world(settings, own_worker=False) as w:
        card, members = await gather(w)
        tell = functools.partial(print, flush=True)
        tell("voters", *(member.id for member in members))
        await tap_all(w, card, members, taps(), tell)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
