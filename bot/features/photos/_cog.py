"""The commands of /photos, and "Add to photo collection" on a message."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import erasure, errors, moderators, uploads
from bot.app import MagicPencil
from bot.errors import UserError
from bot.features.photos import _pages
from bot.features.photos._adding import MAX_TEXT, Added, Origin, add
from bot.features.photos._importing import Import
from bot.features.photos._pages import Place
from bot.ui.progress import ProgressMessage
from bot.ui.safe import SafeView
from bot.ui.words import fitting
from retrieval.reports import BuildReport
from retrieval.serving.errors import RetrievalError
from retrieval.serving.messages import EditPhoto, ListPhotos

log = structlog.get_logger(__name__)

_SUGGESTED = 25  # the most choices that Discord shows
_MOST_IMPORTED = 5000
_NO_PICTURE = "There is no picture in that message, or I cannot see it."
_NO_INTENT = (
    "I cannot see pictures in a channel's history: the **Message Content** intent is off. The host "
    "can switch it on in the Discord developer portal (Bot → Privileged Gateway Intents) and "
    "restart me. Until then use `/photos add`, or *Add to photo collection* on a message."
)


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Photos(commands.GroupCog, group_name="photos", group_description="This server's own photos."):
    """Looks after a server's own collection."""

    def __init__(self, bot: MagicPencil) -> None:
        """Make the message command; a Cog cannot declare one by decorator."""
        self.bot = bot
        self._add_menu = app_commands.ContextMenu(
            name="Add to photo collection", callback=self._on_add_message
        )
        self._add_menu.add_check(moderators.allowed)
        self._add_menu.guild_only = True
        self._add_menu.default_permissions = discord.Permissions(manage_guild=True)
        self._imports: dict[int, Import] = {}
        super().__init__()

    async def cog_load(self) -> None:
        """Add the message command."""
        self.bot.tree.add_command(self._add_menu)

    async def cog_unload(self) -> None:
        """Take the message command away again."""
        self.bot.tree.remove_command(self._add_menu.name, type=self._add_menu.type)

    @app_commands.command(name="add", description="Add one to ten photos to this server's photos.")
    @app_commands.describe(
        title="What it shows; without it the file's name.", credit="Who took it; without it, you."
    )
    @moderators.only
    async def add(
        self,
        interaction: discord.Interaction[MagicPencil],
        photo: discord.Attachment,
        photo2: discord.Attachment | None = None,
        photo3: discord.Attachment | None = None,
        photo4: discord.Attachment | None = None,
        photo5: discord.Attachment | None = None,
        photo6: discord.Attachment | None = None,
        photo7: discord.Attachment | None = None,
        photo8: discord.Attachment | None = None,
        photo9: discord.Attachment | None = None,
        photo10: discord.Attachment | None = None,
        title: app_commands.Range[str, 1, MAX_TEXT] | None = None,
        credit: app_commands.Range[str, 1, MAX_TEXT] | None = None,
    ) -> None:
        """Keep the photos that came with the command."""
        given = (photo, photo2, photo3, photo4, photo5, photo6, photo7, photo8, photo9, photo10)
        user = interaction.user
        await self._add_and_tell(
            interaction,
            [item for item in given if item is not None],
            Origin(user.id, user.display_name),
            (title or "", credit or ""),
        )

    async def _on_add_message(
        self, interaction: discord.Interaction[MagicPencil], message: discord.Message
    ) -> None:
        pictures = [item for item in message.attachments if uploads.looks_like_picture(item)]
        if not pictures:
            raise UserError(_NO_PICTURE)
        origin = Origin(message.author.id, message.author.display_name, message)
        await self._add_and_tell(interaction, pictures, origin)

    async def _add_and_tell(
        self,
        interaction: discord.Interaction[MagicPencil],
        pictures: list[discord.Attachment],
        origin: Origin,
        about: tuple[str, str] = ("", ""),
    ) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        collection = moderators.own_here(interaction)
        added = await add(self.bot, collection, pictures, origin, interaction.user.id, about)
        report = await self._refresh(collection, added)
        await interaction.edit_original_response(content=fitting(added.outcome(report)))

    async def _refresh(self, collection: str, added: Added) -> BuildReport | None:
        return await self.bot.keeper.refresh(collection) if added.new else None

    @app_commands.command(name="import", description="Take the pictures of a channel's history.")
    @app_commands.describe(
        channel="Where to look.",
        since="How many days back.",
        limit="How many new photos at most.",
    )
    @moderators.only
    async def import_(
        self,
        interaction: discord.Interaction[MagicPencil],
        channel: discord.TextChannel | discord.Thread,
        since: app_commands.Range[int, 1, 3650] | None = None,
        limit: app_commands.Range[int, 1, _MOST_IMPORTED] = 500,
    ) -> None:
        """Walk through a channel, show how far it is, and stop when asked to."""
        guild_id = await moderators.require(interaction)
        if guild_id in self._imports:
            raise UserError("An import is running already; stop it first, or let it end.")
        _require_readable(interaction, channel)
        from_ = datetime.now(UTC) - timedelta(days=since) if since else None
        collection = moderators.own_here(interaction)
        walk = Import(self.bot, collection, channel, from_, limit, interaction.user.id)
        self._imports[guild_id] = walk
        progress = ProgressMessage(interaction, view=StopButton(walk.stop))
        try:
            await interaction.response.defer(thinking=True)
            await progress.show(walk.progress())
            await progress.end(await self._follow(walk, progress))
        except Exception as error:
            # In its message too: else that would show progress, and a button to stop it, for ever.
            await progress.end(f"❌ {errors.explain(error).text}")
        finally:
            del self._imports[guild_id]

    async def _follow(self, walk: Import, progress: ProgressMessage) -> str:
        """Go along to the end of an import and say what came of it; what was taken is found."""
        problem = ""
        try:
            async for text in walk.run():
                await progress.show(text)
        except (discord.HTTPException, RetrievalError) as error:
            problem = f"\n❌ It ended early: {errors.explain(error).text}"
        report = await self._refresh(walk.collection, walk.added)
        return fitting(f"{walk.summary()}{problem}\n{walk.added.outcome(report)}")

    @app_commands.command(name="list", description="Show this server's photos, the newest first.")
    @moderators.only
    async def list_(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show the first page."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await _pages.show(interaction, Place(moderators.own_here(interaction)))

    @app_commands.command(description="Find photos by words of their title or credit.")
    @moderators.only
    async def search(
        self,
        interaction: discord.Interaction[MagicPencil],
        words: app_commands.Range[str, 1, 100],
    ) -> None:
        """Show the first page of those found."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await _pages.show(interaction, Place(moderators.own_here(interaction), words))

    @app_commands.command(description="Show what was removed in the last 7 days, to bring it back.")
    @moderators.only
    async def removed(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Show the first page of what was removed."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await _pages.show(interaction, Place(moderators.own_here(interaction), removed=True))

    @app_commands.command(description="Remove a photo; for 7 days it can be brought back.")
    @moderators.only
    async def remove(self, interaction: discord.Interaction[MagicPencil], photo: str) -> None:
        """Remove the photo that was chosen, and offer to undo it."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        collection = moderators.own_here(interaction)
        await _pages.change(interaction, collection, (photo,), "removed")
        await interaction.edit_original_response(
            content="🗑️ Removed. It is not found any more; for 7 days it can be brought back.",
            view=UndoButton(collection, photo),
        )

    @app_commands.command(description="Change a photo's title or credit.")
    @moderators.only
    async def edit(
        self,
        interaction: discord.Interaction[MagicPencil],
        photo: str,
        title: app_commands.Range[str, 1, MAX_TEXT] | None = None,
        credit: app_commands.Range[str, 1, MAX_TEXT] | None = None,
    ) -> None:
        """Change what is known of the photo that was chosen."""
        if title is None and credit is None:
            raise UserError("Say what to change: the title, the credit, or both.")
        await interaction.response.defer(ephemeral=True, thinking=True)
        collection = moderators.own_here(interaction)
        await _pages.edit(interaction, EditPhoto(collection, photo, title, credit))
        await interaction.edit_original_response(content="✏️ Changed.")

    @remove.autocomplete("photo")
    @edit.autocomplete("photo")
    async def _suggest(
        self, interaction: discord.Interaction[MagicPencil], typed: str
    ) -> list[app_commands.Choice[str]]:
        try:
            await moderators.require(interaction)
            collection = moderators.own_here(interaction)
            asked = ListPhotos(collection, typed, limit=_SUGGESTED, pictures=False)
            page = await self.bot.retrieval.list_photos(asked)
        except (app_commands.AppCommandError, RetrievalError):
            return []
        return [
            app_commands.Choice(name=photo.title[:100], value=photo.photo_id)
            for photo in page.photos
        ]

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """A photo goes with the message that it came from."""
        await erasure.messages_deleted(self.bot, [event.message_id])

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Photos go with the messages that they came from."""
        await erasure.messages_deleted(self.bot, event.message_ids)


def _require_readable(
    interaction: discord.Interaction[MagicPencil], channel: discord.TextChannel | discord.Thread
) -> None:
    """Refuse a channel whose pictures the person may not see, or the bot cannot."""
    if not channel.permissions_for(interaction.user).read_message_history:  # type: ignore[arg-type]
        raise UserError("You cannot read that channel's history yourself.")
    if not channel.permissions_for(channel.guild.me).read_message_history:
        raise UserError(
            f"I cannot read the history of {channel.mention}. Give me *View Channel* and *Read "
            "Message History* there."
        )
    if not interaction.client.intents.message_content:
        raise UserError(_NO_INTENT)


class StopButton(SafeView):
    """Stops an import."""

    def __init__(self, stop: asyncio.Event) -> None:
        """Remember what to set."""
        super().__init__(timeout=None)
        self._stop = stop

    @discord.ui.button(label="Stop", emoji="✋")
    async def stop_it(
        self, interaction: discord.Interaction[MagicPencil], _: discord.ui.Button[StopButton]
    ) -> None:
        """Stop after the picture that is being taken."""
        await moderators.require(interaction)
        await interaction.response.defer()
        self._stop.set()


class UndoButton(SafeView):
    """Brings a photo back that was just removed."""

    def __init__(self, collection: str, photo_id: str) -> None:
        """Remember what to bring back."""
        super().__init__(timeout=900)
        self._collection = collection
        self._photo_id = photo_id

    @discord.ui.button(label="Undo", emoji="↩️")
    async def undo(
        self, interaction: discord.Interaction[MagicPencil], _: discord.ui.Button[UndoButton]
    ) -> None:
        """Bring it back."""
        await moderators.require_own(interaction, self._collection)
        await interaction.response.defer()
        await _pages.change(interaction, self._collection, (self._photo_id,), "restored")
        await interaction.edit_original_response(content="↩️ It is back.", view=None)


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Photos(bot))
