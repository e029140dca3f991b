"""/index: moderators look after the index of their server's own photos."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import errors, moderators
from bot.app import MagicPencil
from bot.errors import UserError
from bot.store import index_builds
from bot.store.models import BuildState, IndexBuild
from bot.ui.progress import ProgressMessage
from bot.ui.safe import SafeView
from bot.ui.words import counted
from retrieval.reports import BuildReport, CollectionStatus, KeptGeneration, Progress, Unreadable
from retrieval.serving.errors import RetrievalError

log = structlog.get_logger(__name__)

_BAR = 20
_STAGES = {"reading": "Looking at files", "encoding": "Encoding photos", "publishing": "Publishing"}
_UNREADABLE_SHOWN = 8


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Index(commands.GroupCog, group_name="index", group_description="The index of your photos."):
    """Rebuilds the index, goes back, checks it, and says how it is."""

    def __init__(self, bot: MagicPencil) -> None:
        """Start with no rebuild running."""
        self.bot = bot
        self._rebuilding: set[str] = set()
        super().__init__()

    @app_commands.command(description="Index the photos again. Matching goes on meanwhile.")
    @app_commands.describe(full="Encode every photo again, not only new ones. Takes long.")
    @moderators.only
    async def rebuild(
        self, interaction: discord.Interaction[MagicPencil], full: bool = False
    ) -> None:
        """Rebuild the index of the server's photos."""
        collection = moderators.own_here(interaction)
        with self._alone(collection):
            await self._rebuild(interaction, collection, full)

    async def _rebuild(
        self, interaction: discord.Interaction[MagicPencil], collection: str, full: bool
    ) -> None:
        await interaction.response.defer(thinking=True)
        progress = ProgressMessage(interaction, CancelButton(collection))
        async with self.bot.store.write() as session:
            build = await index_builds.start(
                session,
                collection,
                guild_id=interaction.guild_id,
                requested_by=interaction.user.id,
            )
        log.info("rebuild asked for", guild=interaction.guild_id, build=build.id, full=full)
        try:
            report = await self._follow(collection, full, progress)
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

    @app_commands.command(description="Photos, age, encoder, size, and who built it last.")
    @moderators.only
    async def status(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show the state of the index of the server's photos."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        collection = moderators.own_here(interaction)
        async with self.bot.store.read() as session:
            builds = await index_builds.latest(session, collection, 3)
        found = await self.bot.retrieval.status((collection,))
        text = _status(found.collections[0], found.encoder)
        if builds:
            text += "\n\n**Last rebuilds**\n" + "\n".join(_build_line(build) for build in builds)
        await interaction.edit_original_response(content=text)

    @app_commands.command(description="Stop the rebuild that is running.")
    @moderators.only
    async def cancel(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Stop a build; the old index serves on."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self.bot.retrieval.cancel_build(moderators.own_here(interaction))
        await interaction.edit_original_response(
            content="✋ The rebuild stops after the photos it is at. The old index serves on."
        )

    @app_commands.command(description="Go back to an earlier state of the index.")
    @moderators.only
    async def rollback(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show the generations that are kept, to choose one."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        collection = moderators.own_here(interaction)
        (status,) = (await self.bot.retrieval.status((collection,))).collections
        others = tuple(item for item in status.kept if not item.serves)
        if not others:
            raise UserError("There is no earlier state to go back to yet.")
        await interaction.edit_original_response(
            content="Which one should serve? The photos themselves stay as they are: the next "
            "change or rebuild makes an index of them again.",
            view=GenerationMenu(collection, others),
        )

    @app_commands.command(description="Check every byte of the index on the disk.")
    @moderators.only
    async def verify(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Read every generation that is kept and say which are damaged."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        found = await self.bot.retrieval.verify(moderators.own_here(interaction))
        if not found.damaged:
            text = f"✅ {counted(found.checked, 'generation')} checked, nothing is damaged."
        else:
            lines = [f"- `{name}`: {reason}" for name, reason in found.damaged.items()]
            text = "⚠️ Damaged on the disk:\n" + "\n".join(lines)
            text += "\n`/index rebuild full:True` makes a new one; `/index rollback` goes back."
        await interaction.edit_original_response(content=text)

    async def _follow(self, collection: str, full: bool, progress: ProgressMessage) -> BuildReport:
        async for update in self.bot.retrieval.build(collection, full=full):
            if isinstance(update, BuildReport):
                return update
            await progress.show(_bar(update))
        raise RuntimeError("a build ended without a report")

    @contextmanager
    def _alone(self, collection: str) -> Iterator[None]:
        """Hold the one rebuild that a server may run at a time."""
        if collection in self._rebuilding:
            raise UserError("A rebuild is running already; its message shows how far it is.")
        self._rebuilding.add(collection)
        try:
            yield
        finally:
            self._rebuilding.discard(collection)


class CancelButton(SafeView):
    """Stops the rebuild whose progress is shown."""

    def __init__(self, collection: str) -> None:
        """Remember whose build it is."""
        super().__init__(timeout=None)
        self._collection = collection

    @discord.ui.button(label="Cancel", emoji="✋")
    async def cancel(
        self, interaction: discord.Interaction[MagicPencil], _: discord.ui.Button[CancelButton]
    ) -> None:
        """Stop it, if a moderator asks."""
        await moderators.require_own(interaction, self._collection)
        await interaction.response.defer()
        await interaction.client.retrieval.cancel_build(self._collection)


class GenerationMenu(SafeView):
    """The generations that one can go back to."""

    def __init__(self, collection: str, kept: tuple[KeptGeneration, ...]) -> None:
        """List them."""
        super().__init__(timeout=600)
        self.collection = collection
        self.add_item(_GenerationSelect(kept))


class _GenerationSelect(discord.ui.Select[GenerationMenu]):
    def __init__(self, kept: tuple[KeptGeneration, ...]) -> None:
        super().__init__(
            placeholder="Choose…",
            options=[
                discord.SelectOption(
                    label=f"{counted(item.photos, 'photo')} · {_when(item.built_at)}",
                    description=f"encoder {item.encoder}",
                    value=item.generation,
                )
                for item in kept
            ],
        )

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Go back to the one that was chosen."""
        assert self.view is not None  # noqa: S101 - it is in a view when it is tapped
        collection = self.view.collection
        await moderators.require_own(interaction, collection)
        await interaction.response.defer()
        await interaction.client.retrieval.roll_back(collection, self.values[0])
        log.info("rolled back", collection=collection, generation=self.values[0])
        await interaction.edit_original_response(
            content=f"⏪ `{self.values[0]}` serves now. `/index rebuild` goes forward again.",
            view=None,
        )


def _when(seconds: float) -> str:
    """Say a time in words: in a menu Discord does not turn one into each person's own."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


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
        parts.append(counted(report.duplicates, "exact duplicate"))
    parts.append(f"{len(report.unreadable):,} unreadable")
    text = (
        f"✅ **{counted(report.photos, 'photo')}** indexed: {', '.join(parts)}. "
        f"It took {report.seconds:.1f} seconds.\n-# generation {report.generation or 'none'}"
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
    if status.damaged:
        lines = [
            f"⚠️ The index of this server's photos is damaged: {status.problem}.",
            "They may not be found. `/index rebuild` makes a new one; `/index rollback` goes back.",
        ]
    elif status.photos is None or status.built_at is None:
        lines = [
            "This server has no photos of its own yet, so nothing of it is searched.",
            "`/photos add` takes the first; `/photos import` takes those of a channel.",
        ]
    else:
        lines = [
            f"**{counted(status.photos, 'photo')}** of this server, "
            f"indexed <t:{int(status.built_at)}:f>",
            f"-# generation {status.generation} · encoder {status.encoder} · {status.structure} · "
            f"{(status.bytes_on_disk or 0) / 1e6:.1f} MB on disk · "
            f"{counted(len(status.kept), 'generation')} kept",
        ]
        if status.problem:
            lines.append(f"⚠️ {status.problem} (The worker runs {encoder}.)")
    if status.building:
        lines.append("⏳ A rebuild is running.")
    return "\n".join(lines)


def _build_line(build: IndexBuild) -> str:
    who = f" by <@{build.requested_by}>" if build.requested_by else ""
    when = f"<t:{int(build.started_at.timestamp())}:f>{who}"
    if build.state is BuildState.DONE:
        photos = counted(build.photos or 0, "photo")
        return f"- {when}: {photos}, {build.added:,} new, {build.seconds:.1f} s"
    if build.error == "build_cancelled":
        return f"- {when}: cancelled"
    return f"- {when}: {build.state.value}" + (f" ({build.error})" if build.error else "")


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Index(bot))
