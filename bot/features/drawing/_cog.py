"""The four ways in which a drawing comes: /match, "Find photos", a mention, the drawing channel."""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import app_commands
from discord.ext import commands

from bot import errors, places, uploads
from bot.app import MagicPencil
from bot.blocking import refuse_blocked
from bot.errors import UserError
from bot.features.drawing._answer import Origin, Picture, answer, remember
from bot.store import server_settings
from bot.store.models import DrawingSource

_NO_DRAWING = (
    "There is no picture in that message, or I cannot see it. Use `/match` with the drawing as a "
    "file, or mention me in the message that holds it."
)
_TOO_MANY = (
    f"I look at up to {uploads.MAX_DRAWINGS} drawings of a message; send the others in another one."
)


class Drawing(commands.Cog):
    """Answers drawings with photos."""

    def __init__(self, bot: MagicPencil) -> None:
        """Make the message command; a Cog cannot declare one by decorator."""
        self.bot = bot
        self._find_photos = app_commands.ContextMenu(
            name="Find photos", callback=self._on_find_photos
        )

    async def cog_load(self) -> None:
        """Add the message command."""
        self.bot.tree.add_command(self._find_photos)

    async def cog_unload(self) -> None:
        """Take the message command away again."""
        self.bot.tree.remove_command(self._find_photos.name, type=self._find_photos.type)

    @app_commands.command(description="Find the photos that look most like your drawing.")
    @app_commands.describe(drawing="A picture of your drawing: PNG, JPEG or WebP, up to 10 MB.")
    async def match(
        self, interaction: discord.Interaction[MagicPencil], drawing: discord.Attachment
    ) -> None:
        """Answer the drawing that came with the command."""
        origin = Origin(
            interaction.user.id,
            *_place_of(interaction),
            DrawingSource.SLASH,
            places.is_age_restricted(interaction.channel),
        )
        await self._answer_interaction(interaction, [drawing], origin)

    async def _on_find_photos(
        self, interaction: discord.Interaction[MagicPencil], message: discord.Message
    ) -> None:
        pictures = [item for item in message.attachments if uploads.looks_like_picture(item)]
        if not pictures:
            raise UserError(_NO_DRAWING)
        # The drawing is its author's, whoever asked what it looks like.
        origin = Origin(
            message.author.id,
            *_place_of(interaction),
            DrawingSource.MESSAGE_COMMAND,
            places.is_age_restricted(interaction.channel),
            message.id,
        )
        await self._answer_interaction(interaction, pictures, origin)

    async def _answer_interaction(
        self,
        interaction: discord.Interaction[MagicPencil],
        attachments: Sequence[discord.Attachment],
        origin: Origin,
    ) -> None:
        """Acknowledge, then answer each drawing with a message of its own."""
        for attachment in attachments[:1]:
            uploads.check(attachment)  # what can be refused at once never shows "thinking…"
        await refuse_blocked(self.bot, origin.guild_id, interaction.user.id)
        await interaction.response.defer(thinking=True)
        shown = 0
        message: discord.Message
        failures: list[Exception] = []
        for attachment in attachments[: uploads.MAX_DRAWINGS]:
            try:
                ready = await answer(self.bot, await Picture.of(attachment), origin)
                if shown:
                    message = await interaction.followup.send(
                        view=ready.card, files=ready.files, wait=True
                    )
                else:
                    message = await interaction.edit_original_response(
                        view=ready.card, attachments=ready.files
                    )
                shown += 1
                await remember(self.bot, ready, message)
            except Exception as error:
                failures.append(error)
        if len(attachments) > uploads.MAX_DRAWINGS:
            failures.append(UserError(_TOO_MANY))
        for failure in failures:
            await errors.tell(interaction, failure)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a drawing that mentions the bot, or is posted in the drawing channel."""
        if message.author.bot or message.webhook_id:
            return
        try:
            if not message.attachments:
                if self.bot.user is not None and self.bot.user.mention in message.content:
                    raise UserError(_NO_DRAWING)  # asked for by name; replies only ping
                return
            source = await self._why_answer(message)
            if source is not None:
                await self._answer_message(message, source)
        except Exception as error:
            await errors.tell_author(message, error)

    async def _why_answer(self, message: discord.Message) -> DrawingSource | None:
        if self.bot.user is not None and self.bot.user in message.mentions:
            return DrawingSource.MENTION
        if message.guild is None:
            return DrawingSource.MENTION  # a direct message is meant for nobody else
        async with self.bot.store.read() as session:
            settings = await server_settings.get(session, message.guild.id)
        if settings.drawing_channel_id != message.channel.id:
            return None
        # People talk in a drawing channel too: other files there are not for us.
        drawn = any(uploads.looks_like_picture(item) for item in message.attachments)
        return DrawingSource.CHANNEL if drawn else None

    async def _answer_message(self, message: discord.Message, source: DrawingSource) -> None:
        pictures = [item for item in message.attachments if uploads.looks_like_picture(item)]
        guild_id = message.guild.id if message.guild else None
        origin = Origin(
            message.author.id,
            guild_id,
            message.channel.id,
            source,
            places.is_age_restricted(message.channel),
            message.id,
        )
        await message.channel.typing()
        for attachment in (pictures or message.attachments)[: uploads.MAX_DRAWINGS]:
            try:
                ready = await answer(self.bot, await Picture.of(attachment), origin)
                sent = await message.reply(view=ready.card, files=ready.files, mention_author=False)
                await remember(self.bot, ready, sent)
            except Exception as error:
                await errors.tell_author(message, error)
        if len(pictures) > uploads.MAX_DRAWINGS:
            await errors.tell_author(message, UserError(_TOO_MANY))


def _place_of(interaction: discord.Interaction[MagicPencil]) -> tuple[int | None, int]:
    assert interaction.channel_id is not None  # noqa: S101 - commands have a channel
    return interaction.guild_id, interaction.channel_id


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Drawing(bot))
