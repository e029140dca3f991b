"""Writes failure cases to a file that names nobody, for whoever makes the next encoder.

The same for a moderator in Discord and for the host at the command line; they differ in who makes
the pictures harmless.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bot import galleries, moderators
from bot.settings import Settings
from bot.store import Store, failures, people
from bot.store.drawings import StoredCard
from bot.store.files import DrawingFiles
from bot.store.models import Consent, Note, Result, VoteKind
from bot.store.verdicts import verdict
from bot.store.votes import Tally
from bot.ui.words import counted
from retrieval import library
from retrieval.failure_set import Case, JudgedPhoto, Writer, pseudonym
from retrieval.reports import PicturesReply

SIDE = 1600  # pixels of a drawing: more than its canonical sketch is made from
_AT_ONCE = 100
_RANDOM = secrets.SystemRandom()
# Discord's ids, and addresses that hold them.
_IDS = re.compile(r"https?://\S+|\d{15,20}")

Pictures = Callable[[tuple[bytes, ...], tuple[str, ...], int], Awaitable[PicturesReply]]


@dataclass(frozen=True, slots=True)
class Exported:
    """How much is in an export, and how many cases did not fit."""

    cases: int
    failed: int
    right: int
    left_out: int


async def export(
    settings: Settings,
    store: Store,
    pictures: Pictures,
    out: Path,
    *,
    guild_id: int | None = None,
    most_bytes: int | None = None,
) -> Exported:
    """Write the cases of one server, or of all; of `most_bytes`, the newest that fit.

    They are written in no order: it would tell when they were drawn.

    Raises:
        RetrievalError: the pictures cannot be had.
        OSError: the file cannot be written.
    """
    async with store.read() as session:
        ids = list(await failures.judged_drawings(session, guild_id))
    if most_bytes is None:  # too many to hold them all
        _RANDOM.shuffle(ids)
    size = left_out = 0
    held: list[_Found] = []
    counts: Counter[str] = Counter()
    with Writer(out) as writer:
        async for found in _found(settings, store, pictures, ids):
            size += found.size
            if most_bytes is not None and size > most_bytes:
                left_out += 1
                continue
            counts["cases"] += 1
            counts.update(photo.verdict for photo in found.case.photos)
            if most_bytes is None:
                writer.add(found.case, found.drawing, found.photos)
            else:
                held.append(found)
        _RANDOM.shuffle(held)
        for found in held:
            writer.add(found.case, found.drawing, found.photos)
        exported = Exported(counts["cases"], counts["failure"], counts["good"], left_out)
        writer.datasheet(_datasheet(exported))
    return exported


class _Found(NamedTuple):
    case: Case
    drawing: bytes
    photos: dict[str, bytes]

    @property
    def size(self) -> int:
        return len(self.drawing) + sum(map(len, self.photos.values()))


async def _found(
    settings: Settings, store: Store, pictures: Pictures, ids: Sequence[int]
) -> AsyncIterator[_Found]:
    """Find the cases that votes have decided anything about, with their pictures."""
    files = DrawingFiles(settings.drawings)
    for start in range(0, len(ids), _AT_ONCE):
        for card, notes, may_train, searched in await _some(
            settings, store, ids[start : start + _AT_ONCE]
        ):
            case = _case(settings, card, notes, may_train, searched)
            if all(photo.verdict == "undecided" for photo in case.photos):
                continue
            try:
                data = await asyncio.to_thread(files.read, card.drawing.sha256)
            except FileNotFoundError:
                continue  # deleted meanwhile
            photo_ids = tuple(photo.photo_id for photo in case.photos)
            shown = await pictures((data,), photo_ids, SIDE)
            if shown.drawings[0]:
                yield _Found(
                    case, shown.drawings[0], dict(zip(photo_ids, shown.photos, strict=True))
                )


async def _some(
    settings: Settings, store: Store, ids: Sequence[int]
) -> list[tuple[StoredCard, dict[int, frozenset[Note]], bool, tuple[str, ...]]]:
    async with store.read() as session:
        cards = await failures.cards(session, ids)
        notes = await failures.notes(session, [r.id for card in cards for r in card.results])
        authors = {card.drawing.author_id for card in cards}
        train = await people.agreed(session, authors, Consent.TRAINING)
        # Not all that are searched are there: a server may have no photos of its own.
        known = set(await asyncio.to_thread(library.names, settings.data))
        searched = {
            guild_id: tuple(
                name
                for name in await galleries.searched(settings, session, guild_id)
                if name in known
            )
            for guild_id in {card.drawing.guild_id for card in cards}
        }
    return [
        (card, notes, card.drawing.author_id in train, searched[card.drawing.guild_id])
        for card in cards
    ]


def _case(
    settings: Settings,
    card: StoredCard,
    notes: dict[int, frozenset[Note]],
    may_train: bool,
    searched: tuple[str, ...],
) -> Case:
    return Case(
        case=secrets.token_hex(8),
        drawing="",
        may_train=may_train,
        month=card.drawing.created_at.strftime("%Y-%m"),
        encoder=card.results[0].encoder if card.results else "",
        galleries=tuple(pseudonym(settings.data, name) for name in searched),
        photos=tuple(
            _judged(settings, result, card.tallies[result.id], notes.get(result.id, frozenset()))
            for result in card.results
        ),
    )


def _judged(
    settings: Settings, result: Result, tally: Tally, notes: frozenset[Note]
) -> JudgedPhoto:
    own = moderators.is_own(result.collection)
    return JudgedPhoto(
        rank=result.rank,
        photo_id=result.photo_id,
        file=None,
        gallery=pseudonym(settings.data, result.collection),
        title=_IDS.sub("…", result.title),
        # A server's own photos are credited to its members; published ones to their makers.
        credit="" if own else result.credit,
        score=result.score,
        good=tally[VoteKind.GOOD],
        miss=tally[VoteKind.MISS],
        funny=tally[VoteKind.FUNNY],
        verdict=verdict(tally[VoteKind.GOOD], tally[VoteKind.MISS]),
        notes=tuple(sorted(notes)),
    )


def told(exported: Exported) -> str:
    """Say in a line how much was exported."""
    return (
        f"{counted(exported.cases, 'drawing')}: {counted(exported.failed, 'failure')}, "
        f"{exported.right:,} right."
    )


def _datasheet(exported: Exported) -> str:
    return f"""\
# Failure cases of Magic Pencil

{exported.cases} drawings with the photos that were found for them: {exported.failed} photos that \
failed, {exported.right} that are right, the others undecided. The questions are those of
Gebru et al., "Datasheets for datasets" (2018).

**What for?** To judge an encoder by what people said of the one before it:
`magic-pencil evaluate --failures FILE`.

**What is in it?** For each drawing: the drawing as a PNG without metadata, the photos in the order
in which they were shown, similarity, encoder, votes as counts, moderators' notes, the month.

**Who is named?** Nobody. No server, channel, message or person has an id or a name in here, the
collection of a server has a pseudonym, and cases have random names. A drawing itself may hold
writing.

**How was it judged?** By members, one vote a person and photo. A photo failed when one can be 95 %
sure (one-sided Wilson bound) that more than half would call it a miss rather than a good match, and
is right the other way round. Only photos that were shown could be voted on, and people chose what
to vote on: shares of these cases say nothing of all drawings.

**May it train a network?** Only drawings with `"may_train": true`, whose artists agreed to that.
All others are for evaluation alone. Photos are under the terms of their collections.

**For how long?** An artist may have their drawings deleted at any time; then they are in no later
export. Make a new one rather than keep an old one, and do not publish it.
"""
