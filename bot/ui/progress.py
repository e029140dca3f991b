"""The reply to a command that takes long, edited as the work goes on."""

from __future__ import annotations

import time
from typing import Any

import discord
import structlog

log = structlog.get_logger(__name__)

_SECONDS_BETWEEN_EDITS = 1.5
# An interaction's token lasts 15 minutes; after that the message is edited as any other.
_TOKEN_SECONDS = 14 * 60


class ProgressMessage:
    """The reply to an interaction that was deferred."""

    def __init__(
        self, interaction: discord.Interaction[Any], view: discord.ui.View | None = None
    ) -> None:
        """Edit this interaction's reply; ``view`` is shown until the end."""
        self._interaction = interaction
        self._view = view
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
            await self._edit(text, self._view)
        except discord.HTTPException as error:
            log.warning("progress not shown", status=error.status)

    async def end(self, text: str, view: discord.ui.View | None = None) -> None:
        """Show how the work ended, without the buttons that it had meanwhile."""
        if self._view is not None:
            self._view.stop()  # else discord.py waits for its taps for ever
        await self._edit(text, view)

    async def _edit(self, text: str, view: discord.ui.View | None) -> None:
        if time.perf_counter() - self._started < _TOKEN_SECONDS or self._message is None:
            self._message = await self._interaction.edit_original_response(content=text, view=view)
        else:
            channel = self._interaction.client.get_partial_messageable(self._message.channel.id)
            await channel.get_partial_message(self._message.id).edit(content=text, view=view)
