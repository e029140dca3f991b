"""/index rebuild and /index status: moderators look after the index of their photos."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import errors
from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import index_builds
from bot.store.models import BuildState, IndexBuild
from retrieval.reports import BuildReport, CollectionStatus, Progress, Unreadable
from retrieval.serving.errors import RetrievalError

log = structlog.get_logger(__name__)

_SECONDS_BETWEEN_EDITS = 1.5
# An interaction's token lasts 15 minutes; after that the message is edited as any other.
_TOKEN_SECONDS = 14 * 60
_BAR = 20
_STAGES = {"reading": "Looking at files", "encoding": "Encoding photos", "publishing": "Publishing"}
_UNREADABLE_SHOWN = 8


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Index(commands.GroupCog, group_name="index", group_description="The index of your photos."):
    """Rebuilds the index and says how it is."""

    def __init__(self, bot: MagicPencil) -> None:
        """Start with no rebuild running."""
        self.bot = bot
        self._rebuilding: set[int] = set()
        super().__init__()

    @app_commands.command(description="Index the photos again. Matching goes on meanwhile.")
    @app_commands.checks.has_permissions(manage_guild=True)
    async def rebuild(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Rebuild the index of the photos that this server searches."""
        guild_id = _guild_id(interaction)
        async with self._alone(guild_id):
            await interaction.response.defer(thinking=True)
            progress = _ProgressMessage(interaction)
            async with self.bot.store.write() as session:
                collection = await self.bot.collection_of(session, guild_id)
                build = await index_builds.start(
                    session, collection, guild_id=guild_id, requested_by=interaction.user.id
                )
            log.info("rebuild asked for", guild=guild_id, collection=collection, build=build.id)
            try:
                report = await self._follow(collection, progress)
            except Exception as error:
                reason = error.code if isinstance(error, RetrievalError) else type(error).__name__
                async with self.bot.store.write() as session:
                    await index_builds.fail(session, build.id, reason)
                explanation = errors.explain(error)
                await progress.end(f"❌ {explanation.text}\n-# The photos found before still are.")
                return
            async with self.bot.store.write() as session:
                await index_builds.finish(
                    session,
                    build.id,
                    generation=report.generation,
                    photos=report.photos,
                    added=report.added,
                    unchanged=report.unchanged,
                    unreadable=len(report.unreadable),
                    seconds=report.seconds,
                )
            await progress.end(_outcome(report))

    @app_commands.command(description="How many photos are indexed, when, and by which encoder.")
    @app_commands.checks.has_permissions(manage_guild=True)
    async def status(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show the state of the index of the photos that this server searches."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.read() as session:
            collection = await self.bot.collection_of(session, _guild_id(interaction))
            builds = await index_builds.latest(session, collection, 3)
        found = await self.bot.retrieval.status((collection,))
        text = _status(found.collections[0], found.encoder)
        if builds:
            text += "\n\n**Last builds**\n" + "\n".join(_build_line(build) for build in builds)
        await interaction.edit_original_response(content=text)

    async def _follow(self, collection: str, progress: _ProgressMessage) -> BuildReport:
        async for update in self.bot.retrieval.build(collection):
            if isinstance(update, BuildReport):
                return update
            await progress.show(_bar(update))
        raise RuntimeError("a build ended without a report")

    @asynccontextmanager
    async def _alone(self, guild_id: int) -> AsyncIterator[None]:
        """Hold the one rebuild that a server may run at a time."""
        if guild_id in self._rebuilding:
            raise UserError("A rebuild is running already; its message shows how far it is.")
        self._rebuilding.add(guild_id)
        try:
            yield
        finally:
            self._rebuilding.discard(guild_id)


class _ProgressMessage:
    """The reply to a command that takes long, edited as the work goes on."""

    def __init__(self, interaction: discord.Interaction[MagicPencil]) -> None:
        self._interaction = interaction
        self._started = time.perf_counter()
        self._last = float("-inf")
        self._message: discord.InteractionMessage | None = None

    async def show(self, text: str) -> None:
        """Show how far the work is, unless that was shown a moment ago; a refusal is no matter."""
        now = time.perf_counter()
        if now - self._last < _SECONDS_BETWEEN_EDITS:
            return
        self._last = now
        try:
            await self._edit(text)
        except discord.HTTPException as error:
            log.warning("progress not shown", status=error.status)

    async def end(self, text: str) -> None:
        """Show how the work ended."""
        await self._edit(text)

    async def _edit(self, text: str) -> None:
        if time.perf_counter() - self._started < _TOKEN_SECONDS or self._message is None:
            self._message = await self._interaction.edit_original_response(content=text)
        else:
            channel = self._interaction.client.get_partial_messageable(self._message.channel.id)
            await channel.get_partial_message(self._message.id).edit(content=text)


def _guild_id(interaction: discord.Interaction[MagicPencil]) -> int:
    if interaction.guild_id is None:
        raise app_commands.NoPrivateMessage
    return interaction.guild_id


def _bar(progress: Progress) -> str:
    share = progress.done / progress.total if progress.total else 1.0
    filled = round(share * _BAR)
    bar = "█" * filled + "░" * (_BAR - filled)
    count = f"{progress.done:,} of {progress.total:,}" if progress.total > 1 else ""
    return f"⏳ {_STAGES[progress.stage]}…\n`{bar}` {count}"


def _outcome(report: BuildReport) -> str:
    parts = [f"{report.added:,} new", f"{report.unchanged:,} unchanged"]
    if report.removed:
        parts.append(f"{report.removed:,} gone")
    if report.duplicates:
        parts.append(f"{report.duplicates:,} exact duplicates")
    parts.append(f"{len(report.unreadable):,} unreadable")
    text = (
        f"✅ **{report.photos:,} photos** are indexed: {', '.join(parts)}. "
        f"It took {report.seconds:.1f} seconds.\n-# generation {report.generation}"
    )
    return text + _unreadable(report.unreadable)


def _unreadable(files: tuple[Unreadable, ...]) -> str:
    if not files:
        return ""
    escape = discord.utils.escape_markdown
    lines = [f"- {escape(file.photo)[:80]}: {file.reason}" for file in files[:_UNREADABLE_SHOWN]]
    if len(files) > _UNREADABLE_SHOWN:
        lines.append(f"- and {len(files) - _UNREADABLE_SHOWN:,} more")
    return "\n**Left out**\n" + "\n".join(lines)


def _status(status: CollectionStatus, encoder: str) -> str:
    if status.photos is None or status.built_at is None:
        return (
            f"**{status.name}** has no index. {status.problem or ''}\n"
            "A moderator can make one with `/index rebuild`."
        )
    lines = [
        f"**{status.name}**: {status.photos:,} photos, indexed <t:{int(status.built_at)}:f>",
        f"-# generation {status.generation} · encoder {status.encoder} · "
        f"{(status.bytes_on_disk or 0) / 1e6:.1f} MB on disk",
    ]
    if status.problem:
        lines.append(f"⚠️ {status.problem} (The worker runs {encoder}.)")
    return "\n".join(lines)


def _build_line(build: IndexBuild) -> str:
    who = f" by <@{build.requested_by}>" if build.requested_by else ""
    when = f"<t:{int(build.started_at.timestamp())}:f>{who}"
    if build.state is BuildState.DONE:
        return f"- {when}: {build.photos:,} photos, {build.added:,} new, {build.seconds:.1f} s"
    return f"- {when}: {build.state.value}" + (f" ({build.error})" if build.error else "")


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Index(bot))
