"""What tests share: a folder of small pictures, a worker that has indexed it, a world to act in.

Everything is the real thing (worker process, index, database, bot) on a simulated Discord.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from filelock import FileLock
from PIL import Image, ImageDraw, ImageFilter

from bot import errors
from bot.app import MagicPencil, Services, open_services
from bot.settings import Settings
from retrieval import library, starter_gallery
from retrieval.home import Home
from retrieval.serving.client import RetrievalClient
from retrieval.serving.errors import RetrievalError

ROOT = Path(__file__).parent.parent
COLLECTION = "shared"


def shared_data() -> Path | None:
    """Return the folder of real sketches and photos, where it is at hand."""
    folder = Path(os.environ.get("MAGIC_PENCIL_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "sketchy-mini").is_dir() else None


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small colour pictures, some with a title and credit beside them."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        paint(number).save(folder / f"picture_{number:02}.jpg", quality=90)
    (folder / "picture_00.json").write_text('{"title": "A *red* thing", "credit": "Ann_Onymous"}')
    return folder


def paint(number: int, side: int = 160) -> Image.Image:
    """Paint the picture of that number: a few soft, coloured shapes on white."""
    chance = random.Random(number)
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = chance.randrange(side // 2), chance.randrange(side // 2)
        w, h = chance.randrange(20, side // 2), chance.randrange(20, side // 2)
        colour = tuple(chance.randrange(200) for _ in range(3))
        shape = chance.choice((draw.ellipse, draw.rectangle))
        shape((x, y, x + w, y + h), fill=colour)
    return image.filter(ImageFilter.GaussianBlur(1))


@pytest.fixture(scope="session")
def starter_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the real starter gallery in it, fetched once for all processes.

    Needs apt and a mirror; or MAGIC_PENCIL_TEST_GALLERY names a folder fetched into before.
    """
    if ready := os.environ.get("MAGIC_PENCIL_TEST_GALLERY"):
        return Path(ready)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("no apt here")
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "starter-cache"
    try:
        with FileLock(f"{shared}.lock"):
            starter_gallery.fetch(shared, progress=print)
    except starter_gallery.GalleryUnavailableError as error:
        pytest.skip(str(error))
    return shared


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker process of this test run, and the home that it serves."""

    home: Home
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.home.socket


def start_worker(home: Home) -> subprocess.Popen[bytes]:
    """Start a worker that leaves with this process."""
    command = [sys.executable, "-m", "retrieval.serving.process", "--leave-with-parent"]
    command += ["--home", str(home.root), "--socket", str(home.socket), "--device", "cpu"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT)


async def wait_ready(socket: Path, seconds: float = 60.0) -> None:
    """Wait until the worker behind a socket has loaded its encoder."""
    client = RetrievalClient(socket)
    async with asyncio.timeout(seconds):
        while True:
            try:
                if (await client.health()).ready:
                    break
            except RetrievalError:
                pass  # the process is still starting
            await asyncio.sleep(0.05)
    await client.close()


async def build_index(socket: Path, collection: str = COLLECTION) -> None:
    client = RetrievalClient(socket)
    async for _ in client.build(collection):
        pass
    await client.close()


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Iterator[RunningWorker]:
    """One worker for all tests of this process, with the pictures indexed as ``shared``."""
    home = Home(tmp_path_factory.mktemp("home"))
    library.register(home, COLLECTION, pictures)
    process = start_worker(home)

    async def prepare() -> None:
        await wait_ready(home.socket)
        await build_index(home.socket)

    asyncio.run(prepare())
    yield RunningWorker(home, process)
    process.terminate()
    process.wait(10)


@dataclass(slots=True)
class World:
    """A server with two members and a moderator, and the bot in it."""

    env: simcord.Env
    bot: MagicPencil
    services: Services
    guild: Any
    channel: Any
    mia: Any
    ben: Any
    moderator: Any

    async def restart(self) -> None:
        """Replace the bot by a new one, as after a crash; Discord and the database stay."""
        self.bot = MagicPencil(self.services, message_content=True, remember_sync=False)
        await self.env.restart_bot(self.bot)


@asynccontextmanager
async def open_world(
    settings: Settings,
    *,
    own_worker: bool,
    message_content: bool = True,
    approved: discord.Intents | None = None,
    **services_changes: Any,
) -> AsyncIterator[World]:
    """Open a world around a bot with these settings."""
    async with open_services(settings, own_worker=own_worker) as opened:
        services = replace(opened, **services_changes)
        bot = MagicPencil(services, message_content=message_content, remember_sync=False)
        async with simcord.run(
            bot, settle_timeout=20, check_errors=False, approved_intents=approved
        ) as env:
            guild = env.create_guild("Sketch Club")
            mods = guild.create_role("Mods", permissions=discord.Permissions(manage_guild=True))
            yield World(
                env,
                bot,
                services,
                guild,
                guild.create_text_channel("drawings"),
                guild.add_member(env.create_user("mia")),
                guild.add_member(env.create_user("ben")),
                guild.add_member(env.create_user("olu"), roles=[mods]),
            )
            # What a person can cause has its sentence; anything else is a fault of the bot's.
            assert [error for error in env.errors if not _foreseen(error)] == []


def _foreseen(error: BaseException) -> bool:
    return errors.sentence(getattr(error, "original", error)) is not None


@pytest.fixture
def settings(worker: RunningWorker, tmp_path: Path) -> Settings:
    """Settings with a database of the test's own and the shared worker."""
    return Settings(home=tmp_path / "home", socket=worker.socket, discord_token=None)


@pytest.fixture
def world(settings: Settings) -> AbstractAsyncContextManager[World]:
    """A world whose bot uses the shared worker; enter it in the test: ``async with world as w``.

    It is not entered here because simcord's clock belongs to the task that enters it.
    """
    return open_world(settings, own_worker=False)
