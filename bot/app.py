"""The composition root: what the bot is made of, in which order it starts and stops.

Services (store, worker, retrieval client) outlive the gateway connection: they are opened by
:func:`open_services` and handed to the bot, which a restart may replace.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import discord
import structlog
from discord import app_commands
from discord.ext import commands
from sqlalchemy.ext.asyncio import AsyncSession

from bot import errors, galleries
from bot.features import FEATURES
from bot.index_keeper import IndexKeeper
from bot.links import Links
from bot.member_keys import MemberKeys
from bot.settings import Settings
from bot.store import Store, index_builds, server_settings
from bot.store.files import DrawingFiles
from retrieval.serving.client import RetrievalClient
from retrieval.serving.supervisor import Supervisor, worker_command

if TYPE_CHECKING:
    from bot.features.card_menu import CardMenu
    from bot.features.hall_of_fame import HallPosts
    from bot.features.moderation import Moderation
    from bot.features.voting import Voting

log = structlog.get_logger(__name__)

# What the invite asks for, and nothing more.
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    read_message_history=True,
)


@dataclass(frozen=True, slots=True)
class Services:
    """What the bot needs and does not own."""

    settings: Settings
    store: Store
    drawing_files: DrawingFiles
    retrieval: RetrievalClient
    links: Links
    member_keys: MemberKeys
    supervisor: Supervisor | None  # None: the worker is somebody else's


@asynccontextmanager
async def open_services(settings: Settings, *, own_worker: bool) -> AsyncIterator[Services]:
    """Open the store and the way to the worker, and start a worker if it is to be our own."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    supervisor = None
    async with Store.open(settings.store_url) as store:
        async with store.write() as session:
            if abandoned := await index_builds.abandon_running(session):
                log.warning("builds were running when the bot stopped", builds=abandoned)
        if own_worker:
            supervisor = Supervisor(
                worker_command(settings.home, settings.worker_socket, settings.device)
            )
            await supervisor.start()
        client = RetrievalClient(
            settings.worker_socket, supervisor.hopeless if supervisor else lambda: False
        )
        try:
            files = DrawingFiles(settings.drawings)
            links = await asyncio.to_thread(Links.of, settings.home)
            keys = await asyncio.to_thread(MemberKeys, settings.home)
            yield Services(settings, store, files, client, links, keys, supervisor)
        finally:
            await client.close()
            if supervisor is not None:
                await supervisor.stop()


class _Tree(app_commands.CommandTree["MagicPencil"]):
    """A command tree whose errors reach the person."""

    async def on_error(
        self,
        interaction: discord.Interaction[MagicPencil],
        error: app_commands.AppCommandError,
        /,
    ) -> None:
        await errors.tell(interaction, error)


class MagicPencil(commands.Bot):
    """The bot: a gateway connection and the features on it."""

    card_menu: CardMenu
    hall: HallPosts
    moderation: Moderation
    voting: Voting

    def __init__(
        self, services: Services, *, message_content: bool, remember_sync: bool = True
    ) -> None:
        """Make a bot that is not connected yet.

        Args:
            services: what it works with.
            message_content: ask for the privileged intent that the drawing channel needs.
            remember_sync: send the commands to Discord only when they have changed since the last
                time; a simulated Discord forgets them, so there they are sent always.
        """
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        intents.message_content = message_content
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=intents,
            tree_cls=_Tree,
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=False
            ),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
        )
        self.settings = services.settings
        self.store = services.store
        self.drawing_files = services.drawing_files
        self.retrieval = services.retrieval
        self.links = services.links
        self.member_keys = services.member_keys
        self.keeper = IndexKeeper(services.retrieval)
        self._remember_sync = remember_sync

    async def setup_hook(self) -> None:
        """Load the features and tell Discord of the commands."""
        for feature in FEATURES:
            await self.load_extension(feature)
        await self._sync_commands()
        # What is loaded by now stays; looking through it for garbage, which Python does every now
        # and then, keeps the event loop from turning for 100 ms and more.
        gc.collect()
        gc.freeze()

    async def on_message(self, message: discord.Message, /) -> None:
        """Answer no prefix commands: there are none. Features listen for themselves."""

    async def collections_of(self, session: AsyncSession, guild_id: int | None) -> tuple[str, ...]:
        """Return the photo collections that a server (or a direct message) searches."""
        return await galleries.searched(self.settings, session, guild_id)

    async def drawing_channel_of(self, guild_id: int) -> int | None:
        """Return the channel in which every drawing is answered, if there is one."""
        async with self.store.read() as session:
            return await server_settings.drawing_channel(session, guild_id)

    async def _sync_commands(self) -> None:
        """Register the commands with Discord if they changed: it allows 200 creations a day."""
        payload = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        text = json.dumps([self.application_id, payload], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        known = self.settings.home / "commands.sha256"
        if self._remember_sync and await asyncio.to_thread(_read, known) == digest:
            return
        await self.tree.sync()
        if self._remember_sync:
            await asyncio.to_thread(known.write_text, digest)
        log.info("commands registered", commands=len(payload))


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def look_up_application(token: str) -> discord.AppInfo:
    """Ask Discord what application a token belongs to, without connecting to the gateway.

    Asking the gateway for an intent that is not granted ends the connection, so it is looked up.

    Raises:
        discord.LoginFailure: the token is wrong.
    """
    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(token)
        return await client.application_info()


async def run(
    settings: Settings,
    token: str,
    *,
    own_worker: bool,
    beside: Callable[[MagicPencil], AbstractAsyncContextManager[object]] = nullcontext,
) -> None:
    """Run the bot until SIGTERM, SIGINT or a fatal answer of Discord's.

    Args:
        settings: what the host has set.
        token: the bot's.
        own_worker: start a worker, too.
        beside: what is open as long as the bot runs.

    Raises:
        discord.LoginFailure: the token is wrong.
    """
    application = await look_up_application(token)
    flags = application.flags
    granted = flags.gateway_message_content or flags.gateway_message_content_limited
    async with (
        open_services(settings, own_worker=own_worker) as services,
        MagicPencil(services, message_content=granted) as bot,
        beside(bot),
    ):
        log.info("starting", message_content=granted, invite=invite_url(application.id))
        connection = asyncio.create_task(bot.start(token), name="gateway")
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, connection.cancel)
        with suppress(asyncio.CancelledError):
            await connection


def invite_url(application_id: int | str) -> str:
    """Return the address at which a server's owner adds the bot, with the least permissions."""
    return discord.utils.oauth_url(
        application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands")
    )
