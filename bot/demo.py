"""The real bot against an offline Discord in the browser, for trying it out.

The simulated server is new at each start; the database is not. So the cards of the last time are
posted again, with their votes.
"""

from __future__ import annotations

import asyncio
import io
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import discord
import structlog
from sqlalchemy import select

from bot import logs, web
from bot.app import MagicPencil, Services, open_services
from bot.settings import Settings
from bot.store import drawings
from bot.store.drawings import StoredCard
from bot.store.models import Drawing
from bot.ui.result_card import DRAWING_FILE, ResultCard, photo_file
from retrieval import library, thumbnails
from retrieval.commands.engine import load_engine
from retrieval.commands.index import build_with_bar, print_report
from retrieval.commands.match import print_matches, write_sheet
from retrieval.console import answers, fail, watch
from retrieval.reports import BuildReport, Progress
from retrieval.serving.client import RetrievalClient

if TYPE_CHECKING:
    import simcord

log = structlog.get_logger(__name__)

GUILD_ID = 900_000_000_000_000_001
_CARDS_RESTORED = 5
_REFRESH_SECONDS = 0.5
_BUILD_ECHO_SECONDS = 10.0
# The simulation waits this long for a command to be answered, a first rebuild included.
_SETTLE_SECONDS = 600.0


def check_port(port: int) -> None:
    """Find out, before anything that takes long, that both pages can be served: here and next."""
    for number in (port, port + 1 if port else 0):
        try:
            web.listen("127.0.0.1", number).close()
        except web.ListenError as error:
            fail("port", f"{error} Choose another, such as PORT=8180.", False)


def prepare(settings: Settings, photos: Path | None) -> None:
    """Fetch the starter gallery unless a folder is given, and index what has changed.

    Raises:
        typer.Exit: the starter gallery cannot be fetched here; why has been said.
        OSError: the folder is not there or holds no picture.
        RetrievalError: nothing in it can be read.
    """
    from retrieval.starter_gallery import GalleryUnavailableError, fetch

    name, known = settings.collection, None
    if name in library.names(settings.data):
        known = library.find(settings.data, name)
    if known is not None and known.by == "host":
        if photos is not None and photos.resolve() != Path(known.source):
            raise FileExistsError(
                f"The collection {name} reads {known.source}, as `magic-pencil index build` was "
                "told. Set MAGIC_PENCIL_HOME to another folder to try these photos."
            )
        watch.print(f"Using the photos of the collection {name}: {known.source}", highlight=False)
        folder = Path(known.source)
    elif photos is not None:
        folder = photos
    else:
        with watch.status("Fetching the starter gallery…") as status:
            try:
                folder = fetch(settings.home / "cache", progress=status.update)
            except GalleryUnavailableError as error:
                fail("gallery", str(error), as_json=False)
    if not folder.is_dir() or not library.scan(folder).files:
        raise FileNotFoundError(f"There is no picture in {folder}.")
    engine = load_engine(settings.home, settings.device)
    if known is None or known.by == "demo":
        library.register(settings.data, name, folder, by="demo")
    print_report(build_with_bar(engine, name))


def once(settings: Settings, drawing: Path, out: Path) -> None:
    """Match one drawing as `magic-pencil match` does, and write a contact sheet."""
    data = drawing.read_bytes()
    engine = load_engine(settings.home, settings.device)
    found = engine.match(data, (settings.collection,), settings.matches)
    write_sheet(found, out)
    print_matches(found, as_json=False)


def serve(settings: Settings, port: int) -> None:
    """Run the bot and its page until Ctrl+C."""
    try:
        import simcord  # noqa: F401
    except ModuleNotFoundError:
        message = 'The demo needs one more package: pip install "magic-pencil[demo]"'
        fail("demo", message, as_json=False)
    logs.configure(settings.model_copy(update={"log_level": "warning"}))
    # The drawing page is what one sees first; the simulated Discord is on the next port.
    listening = web.listen("127.0.0.1", port)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = settings.model_copy(update={"public_url": address})
    asyncio.run(_serve(settings, listening, port + 1 if port else 0))


async def _serve(settings: Settings, listening: socket.socket, port: int) -> None:
    import simcord

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_services(settings, own_worker=True) as services:
        with watch.status("Starting the worker…"):
            await services.retrieval.health()
        bot = MagicPencil(services, message_content=True, remember_sync=False)
        simulation = simcord.run(bot, settle_timeout=_SETTLE_SECONDS, check_errors=False)
        async with simulation as env:
            builds = _ParkedBuilds(services.retrieval, env)
            bot.retrieval = builds
            guild = env.create_guild("Sketch Club", id=GUILD_ID)
            channel = guild.create_text_channel("drawings")
            moderators = guild.create_role(
                "Moderators", permissions=discord.Permissions(manage_guild=True)
            )
            viewers = [
                guild.add_member(env.create_user("mia", global_name="Mia")),
                guild.add_member(env.create_user("ben", global_name="Ben")),
                guild.add_member(
                    env.create_user("olu", global_name="Olu (moderator)"), roles=[moderators]
                ),
            ]
            if bot.user is not None:
                await bot.user.edit(username="Magic Pencil")
            await env.settle()
            await _restore(services, bot, channel.id)
            mia, drawn = viewers[0].id, asyncio.Event()
            elsewhere = web.Elsewhere(
                new_link=lambda: services.links.issue(GUILD_ID, channel.id, mia),
                channel_url=lambda: page.url,
                changed=drawn.set,
            )
            async with (
                env.preview(channel, viewers=viewers, layout="channel", port=port) as page,
                web.serve(bot, listening, elsewhere),
            ):
                _say_hello(settings.public_url, page.url)
                refresher = asyncio.create_task(_refresh(env, builds, drawn, page))
                closed = asyncio.create_task(page.wait_closed())
                stopped = asyncio.create_task(stop.wait())
                await asyncio.wait((closed, stopped), return_when=asyncio.FIRST_COMPLETED)
                for task in (refresher, closed, stopped):
                    task.cancel()


def _say_hello(draw_url: str | None, discord_url: str) -> None:
    answers.print(
        "\n[bold]Magic Pencil is running against an offline Discord.[/] Draw here, as Mia:\n\n"
        f"    {draw_url}/\n\n"
        "Photos appear as you draw; post it, and vote. The channel that it is posted in:\n\n"
        f"    {discord_url}\n\n"
        "There, type /match with a drawing as a file, or /draw. The menu at the top changes who "
        "you are: Olu is the moderator and may use /index rebuild. Ctrl+C ends it; votes stay.",
        highlight=False,
        soft_wrap=True,
    )
    sys.stdout.flush()  # somebody may be reading it through a pipe


async def _restore(services: Services, bot: MagicPencil, channel_id: int) -> None:
    """Post the last cards again: the simulated channel forgot them, the database did not."""
    channel = bot.get_partial_messageable(channel_id)
    async with services.store.read() as session:
        query = (
            select(Drawing.id)
            .where(Drawing.guild_id == GUILD_ID, Drawing.card_message_id.is_not(None))
            .order_by(Drawing.id.desc())
            .limit(_CARDS_RESTORED)
        )
        ids = list(await session.scalars(query))
        cards = [await drawings.load_card(session, drawing_id) for drawing_id in reversed(ids)]
    for card in cards:
        if card is None:
            continue
        try:
            files = await asyncio.to_thread(_files, services, card)
        except OSError:
            continue  # its drawing was cleared away
        shown = frozenset(r.rank for r in card.results if photo_file(r.rank) in files)
        message = await channel.send(
            view=ResultCard(card, with_photos=shown),
            files=[discord.File(io.BytesIO(data), name) for name, data in files.items()],
        )
        async with services.store.write() as session:
            await drawings.attach_card(session, card.drawing.id, channel_id, message.id)


def _files(services: Services, card: StoredCard) -> dict[str, bytes]:
    files = {DRAWING_FILE: services.drawing_files.read(card.drawing.sha256)}
    for result in card.results:
        try:
            thumbnail = thumbnails.read(services.settings.data, result.photo_id, None)
        except OSError:
            continue
        files[photo_file(result.rank)] = thumbnail
    return files


async def _refresh(
    env: simcord.Env, builds: _ParkedBuilds, drawn: asyncio.Event, page: simcord.Preview
) -> None:
    """Show what comes from the drawing page, and what the bot does on its own while a build runs.

    All else the page shows by itself, and a refresh under somebody's hand can undo their tap.
    """
    import simcord

    seen = len(env.http_requests)
    while True:
        await asyncio.sleep(_REFRESH_SECONDS)
        now = len(env.http_requests)
        if now == seen:
            continue
        if builds.lately() or drawn.is_set():
            try:
                await page.refresh()
            except simcord.SetupError:
                continue  # somebody is in the middle of an action; next time
            drawn.clear()
        seen = now


class _ParkedBuilds(RetrievalClient):
    """The same client, but a build does not hold the simulation: people go on meanwhile.

    simcord waits after each action until the bot has nothing left to do, unless a wait is declared
    to be for something outside.
    """

    def __init__(self, client: RetrievalClient, env: simcord.Env) -> None:
        self.__dict__.update(client.__dict__)
        self._env = env
        self._last_step = float("-inf")

    def lately(self) -> bool:
        """Say whether a build runs, or ended just now and is being told of."""
        return time.perf_counter() - self._last_step < _BUILD_ECHO_SECONDS

    async def build(
        self, collection: str, *, full: bool = False
    ) -> AsyncIterator[Progress | BuildReport]:
        """Build, parked between one message of the worker and the next."""
        updates = super().build(collection, full=full)
        while True:
            try:
                update = await self._env.external_wait(anext(updates), reason="the worker builds")
            except StopAsyncIteration:
                return
            finally:
                self._last_step = time.perf_counter()
            yield update
