"""What the page asks, and what is answered: open, live, post, vote."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from bot import erasure, errors, places
from bot.app import MagicPencil
from bot.features.drawing import Answer, Origin, Picture, answer, match, remember
from bot.links import Link, LinkError, address
from bot.store import draw_links, drawings
from bot.store.models import DrawingSource, Result
from bot.store.votes import VoteOutcome
from bot.web import place, visit
from bot.web.bodies import Ballot, Counted, Found, Live, Opened, Photo, Post, Posted
from bot.web.pace import Pace, Turns
from retrieval.serving.messages import MatchedPhoto

log = structlog.get_logger(__name__)

# How often one person may ask, in how many seconds.
_OPEN_PACE = (20, 60.0)
_LIVE_PACE = (40, 10.0)  # four strokes a second, without a pause
_POST_PACE = (6, 60.0)
_VOTE_PACE = (30, 10.0)

_Body = TypeVar("_Body")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A Discord that is not the real one."""

    new_link: Callable[[], str]  # the token of a link, without /draw
    channel_url: Callable[[], str]  # where what is posted can be seen
    changed: Callable[[], None]  # called when the channel shows something new


class Site:
    """Answers the page."""

    def __init__(self, bot: MagicPencil, public_url: str, elsewhere: Elsewhere | None) -> None:
        """Begin with nobody at the page."""
        self.public_url = public_url
        self._bot = bot
        self._elsewhere = elsewhere
        self._access = place.Access(bot)
        self._opens, self._lives = Pace(*_OPEN_PACE), Pace(*_LIVE_PACE)
        self._posts, self._votes = Pace(*_POST_PACE), Pace(*_VOTE_PACE)
        self._turns = Turns()
        self._posting: set[asyncio.Task[Posted]] = set()

    @property
    def again(self) -> str | None:
        """Where another link is to be had, relative to the page, if not in Discord alone."""
        return "./" if self._elsewhere else None

    async def finish(self, seconds: float) -> None:
        """Let what is being posted be posted."""
        if self._posting:
            await asyncio.wait(self._posting, timeout=seconds)

    async def start(self, _: web.Request) -> web.Response:
        """Lead to the page; with a new link only where everybody is alone with a simulation."""
        page = f"{self.public_url}/draw"
        url = address(self.public_url, self._elsewhere.new_link()) if self._elsewhere else page
        raise web.HTTPFound(url, headers={"Cache-Control": "no-store"})

    async def open(self, request: web.Request) -> web.Response:
        """Open a link, and say where it leads."""
        link = visit.read(self._bot, request)
        self._opens.count(link.user_id)
        # Looked up first: a link that leads nowhere just now is not taken yet.
        channel = await place.find(self._bot, link)
        visitor = await visit.begin(self._bot, request)
        visitor.unused()
        # The same member finds an unfinished drawing again, with whichever link; nobody else does.
        who = hashlib.sha256(f"{visitor.cookie}:{link.user_id}".encode()).hexdigest()[:16]
        response = _json(Opened(place.name(channel), who))
        visit.remember_browser(response, visitor, self.public_url)
        return response

    async def live(self, request: web.Request) -> web.Response:
        """Find what looks like the drawing so far."""
        link = (await visit.go_on(self._bot, request)).unused()
        self._lives.count(link.user_id)
        asked = await _body(request, Live)
        async with self._turns.take(link.nonce):
            # Side by side: drawing is not held up by the question to Discord.
            matches, _ = await asyncio.gather(
                match(self._bot, asked.drawing, link.guild_id), self._access.check(link)
            )
        return _json(Found(_photos(matches.matches, asked.known)))

    async def post(self, request: web.Request) -> web.Response:
        """Post a drawing and what was found into the link's channel, once."""
        link = (await visit.go_on(self._bot, request)).unused()
        self._posts.count(link.user_id)
        asked = await _body(request, Post)
        # Seen through to its end even if the browser goes away meanwhile.
        task = asyncio.create_task(self._post(link, asked), name="post a drawing")
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)
        try:
            return _json(await asyncio.shield(task))
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)  # there is nobody left to be told
            raise

    async def vote(self, request: web.Request) -> web.Response:
        """Vote on a photo of what was posted, as the member, as on the card itself."""
        visitor = await visit.go_on(self._bot, request)
        self._votes.count(visitor.link.user_id)
        asked = await _body(request, Ballot)
        drawing_id = visitor.row.drawing_id
        async with self._bot.store.read() as session:
            card = await drawings.load_card(session, drawing_id) if drawing_id else None
        if card is None or asked.result not in (result.id for result in card.results):
            raise LinkError("This result is gone, so it cannot be voted on any more.")
        await self._access.check(visitor.link)
        outcome, card = await self._bot.voting.vote_from_page(
            visitor.link.guild_id, asked.result, visitor.link.user_id, asked.kind
        )
        if self._elsewhere:
            self._elsewhere.changed()
        tallies = {
            str(result_id): {kind.value: count for kind, count in tally.items()}
            for result_id, tally in card.tallies.items()
        }
        return _json(Counted(tallies, outcome is not VoteOutcome.WITHDRAWN))

    async def _post(self, link: Link, asked: Post) -> Posted:
        channel = await place.find(self._bot, link)
        async with self._bot.store.write() as session:
            if not await draw_links.use(session, link.nonce):
                raise LinkError("This drawing is being posted already.")
        ready = None
        try:
            picture = Picture(asked.drawing, "image/png", msgspec.to_builtins(asked.sketch))
            origin = Origin(
                link.user_id,
                link.guild_id,
                link.channel_id,
                DrawingSource.WEB,
                places.is_age_restricted(channel),
            )
            ready = await answer(self._bot, picture, origin)
            message = await channel.send(view=ready.card, files=ready.files)
        except BaseException:
            await self._take_back(link, ready)
            raise
        await remember(self._bot, ready, message)
        async with self._bot.store.write() as session:
            await draw_links.remember(session, link.nonce, ready.drawing_id)
        log.info("posted from the page", drawing=ready.drawing_id)
        url = message.jump_url
        if self._elsewhere:
            self._elsewhere.changed()
            url = self._elsewhere.channel_url()
        photos = _photos(ready.matches.matches, asked.known, ready.stored.results)
        return Posted(url, photos, self.again)

    async def _take_back(self, link: Link, ready: Answer | None) -> None:
        """Make a link good again, and keep nothing of a drawing that nobody has seen."""
        async with self._bot.store.write() as session:
            await draw_links.give_back(session, link.nonce)
        if ready:
            await erasure.drawings_gone(self._bot, [ready.stored.drawing])


def _log_failure(task: asyncio.Task[Posted]) -> None:
    if not task.cancelled() and (error := task.exception()):
        errors.explain(error)


def _photos(
    matches: Iterable[MatchedPhoto], known: Iterable[str], results: Iterable[Result] = ()
) -> list[Photo]:
    result_ids = {result.rank: result.id for result in results}
    has = set(known)
    return [
        Photo(
            match.photo_id,
            match.title,
            match.credit,
            None if match.photo_id in has else match.thumbnail,
            result_ids.get(match.rank),
        )
        for match in matches
    ]


async def _body(request: web.Request, kind: type[_Body]) -> _Body:
    """Read what was sent, within its bounds.

    Raises:
        msgspec.DecodeError: it is something else.
    """
    return msgspec.json.decode(await request.read(), type=kind)


def _json(body: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
