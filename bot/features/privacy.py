"""/privacy: what members may ask of what is kept of them, in servers and in direct messages."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import erasure
from bot.app import MagicPencil
from bot.consent_text import TEXTS, VERSION
from bot.store import added_photos, erasing, hall_posts, people
from bot.store.erasing import PersonalData
from bot.store.files import DrawingFiles
from bot.store.models import Base, Consent
from bot.ui.safe import SafeView
from bot.ui.words import counted

_NAMES = {Consent.TRAINING: "training", Consent.NAMING: "naming"}
_LARGEST = 9_500_000  # bytes; Discord takes 10 MiB


class Privacy(commands.GroupCog, group_name="privacy", group_description="What is kept of you."):
    """Answers each person about themselves."""

    def __init__(self, bot: MagicPencil) -> None:
        """Keep the bot."""
        self.bot = bot
        super().__init__()

    @app_commands.command(description="What I keep of you, and what you agreed to.")
    async def show(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Say it in numbers."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        data = await self._data(interaction.user.id)
        agreed = {given.consent: given for given in data.consents}
        choices = []
        for consent, name in _NAMES.items():
            given = agreed.get(consent)
            when = (
                f"yes, since <t:{int(given.agreed_at.timestamp())}:D> (text {given.text_version})"
                if given
                else "no"
            )
            choices.append(f"- {name}: {when}")
        text = "\n".join(
            [
                f"I keep **{_counted(data)}** of yours.",
                "You agreed to:",
                *choices,
                "-# `/privacy export` gives you all of it, `/privacy delete` deletes it for good, "
                "`/privacy opt-in` and `opt-out` change what you agreed to. Drawings that nobody "
                f"voted on are deleted after {self.bot.settings.retention_days} days.",
            ]
        )
        await interaction.edit_original_response(content=text)

    @app_commands.command(description="Send me a copy of all that you keep of me.")
    async def export(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Send a zip, to the person alone."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.read() as session:
            data = await erasing.of_person(session, interaction.user.id, strokes=True)
        packed, left_out = await asyncio.to_thread(_packed, data, self.bot.drawing_files)
        note = f" {counted(left_out, 'drawing')} did not fit; ask the host." if left_out else ""
        await interaction.edit_original_response(
            content=f"📦 {_counted(data)}.{note}",
            attachments=[discord.File(io.BytesIO(packed), "magic-pencil-my-data.zip")],
        )

    @app_commands.command(description="Delete all that you keep of me, everywhere and for good.")
    async def delete(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Ask before it is done."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        data = await self._data(interaction.user.id)
        await interaction.edit_original_response(
            content=f"Shall I delete **{_counted(data)}**, with the result cards and the hall of "
            "fame posts of your drawings, in every server? Nobody can bring them back.",
            view=_Confirm("Delete everything", _delete_all),
        )

    @app_commands.command(description="Delete the photos of yours that moderators took in.")
    async def photos(self, interaction: discord.Interaction[MagicPencil]) -> None:
        """Say how many there are, and ask before they are deleted."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.read() as session:
            found = await added_photos.of_author(session, interaction.user.id)
        if not found:
            await interaction.edit_original_response(
                content="None of the photos that I know came from you."
            )
            return
        await interaction.edit_original_response(
            content=f"{counted(len(found), 'photo')} that I know came from you. Shall I delete "
            "them everywhere and for good? Nobody can bring them back.",
            view=_Confirm("Delete them", _delete_photos),
        )

    @app_commands.command(name="opt-in", description="Agree to be named, or to training.")
    @app_commands.describe(what="Read what it means, then decide.")
    async def opt_in(self, interaction: discord.Interaction[MagicPencil], what: Consent) -> None:
        """Show the text; only a tap below it agrees."""
        await interaction.response.send_message(TEXTS[what], view=_Agree(what), ephemeral=True)

    @app_commands.command(name="opt-out", description="Take back what you agreed to.")
    async def opt_out(self, interaction: discord.Interaction[MagicPencil], what: Consent) -> None:
        """Forget that they agreed."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        async with self.bot.store.write() as session:
            await people.withdraw(session, interaction.user.id, what)
            posted = await hall_posts.results_of_artist(session, interaction.user.id)
        for result_id in posted:
            self.bot.hall.touch(result_id)  # it may name them
        await interaction.edit_original_response(content=f"✅ No {_NAMES[what]} from now on.")

    async def _data(self, user_id: int) -> PersonalData:
        async with self.bot.store.read() as session:
            return await erasing.of_person(session, user_id)


class _Confirm(SafeView):
    """Asks once more; whoever taps is the one that was asked, for nobody else sees it."""

    def __init__(self, label: str, do: Any) -> None:
        super().__init__(timeout=600)
        self._do = do
        button: discord.ui.Button[_Confirm] = discord.ui.Button(
            label=label, style=discord.ButtonStyle.danger
        )
        button.callback = self._tapped  # type: ignore[method-assign]
        self.add_item(button)

    async def _tapped(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer()
        told = await self._do(interaction.client, interaction.user.id)
        await interaction.edit_original_response(content=told, view=None)


async def _delete_all(bot: MagicPencil, user_id: int) -> str:
    data = await erasure.person_left(bot, user_id)
    return f"🗑️ {_counted(data)} deleted for good."


async def _delete_photos(bot: MagicPencil, user_id: int) -> str:
    async with bot.store.read() as session:
        photos = await added_photos.of_author(session, user_id)
    return f"🗑️ {counted(await erasure.erase(bot, photos), 'photo')} deleted for good."


class _Agree(SafeView):
    """Agrees to the text above it."""

    def __init__(self, what: Consent) -> None:
        super().__init__(timeout=600)
        self._what = what

    @discord.ui.button(label="I agree", style=discord.ButtonStyle.success)
    async def agree(
        self, interaction: discord.Interaction[MagicPencil], _: discord.ui.Button[_Agree]
    ) -> None:
        """Record it, with the date and the version of the text."""
        await interaction.response.defer()
        async with interaction.client.store.write() as session:
            await people.agree(session, interaction.user.id, self._what, VERSION)
            posted = await hall_posts.results_of_artist(session, interaction.user.id)
        for result_id in posted:
            interaction.client.hall.touch(result_id)  # it may name them now
        await interaction.edit_original_response(
            content="💛 Thank you. `/privacy opt-out` takes it back.", view=None
        )


def _counted(data: PersonalData) -> str:
    parts = (
        counted(len(data.drawings), "drawing"),
        counted(len(data.votes), "vote"),
        counted(len(data.photos), "photo"),
        counted(len(data.reports), "report"),
    )
    return ", ".join(parts[:-1]) + f" and {parts[-1]}"


def _packed(data: PersonalData, files: DrawingFiles) -> tuple[bytes, int]:
    """Return a zip of a person's data, and how many drawings did not fit in."""
    buffer = io.BytesIO()
    left_out = 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        about = {
            "drawings": [_row(drawing) for drawing in data.drawings],
            "votes": [_row(vote) for vote in data.votes],
            "photos": [_row(photo) for photo in data.photos],
            "reports": [_row(report) for report in data.reports],
            "agreed_to": [_row(given) for given in data.consents],
        }
        packed.writestr("data.json", json.dumps(about, indent=2, default=str))
        for drawing in data.drawings:
            try:
                content = files.read(drawing.sha256)
            except FileNotFoundError:
                continue
            if buffer.tell() + len(content) > _LARGEST:
                left_out += 1
                continue
            ending = drawing.content_type.rpartition("/")[2] or "bin"
            packed.writestr(f"drawings/{drawing.id}.{ending}", content)
    return buffer.getvalue(), left_out


def _row(row: Base) -> dict[str, Any]:
    loaded = row.__dict__  # what is loaded on demand is large, and not asked for
    return {
        column.key: loaded[column.key] for column in row.__table__.columns if column.key in loaded
    }


async def setup(bot: MagicPencil) -> None:
    """Add the feature to the bot."""
    await bot.add_cog(Privacy(bot))
