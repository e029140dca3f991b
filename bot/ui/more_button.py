"""The last button of a result card: opens what else can be done with it.

What it opens is the card menu's business; it is found through the bot.
"""

from __future__ import annotations

import re
from typing import Any, Self

import discord

from bot.ui.safe import SafeDynamicItem


class MoreButton(SafeDynamicItem, template=r"mp:v1:more:(?P<drawing>[0-9]{1,18})"):
    """Everything about one card that has no button of its own: a card has room for 40 parts."""

    def __init__(self, drawing_id: int) -> None:
        """Make the button of one card."""
        super().__init__(
            discord.ui.Button(
                style=discord.ButtonStyle.secondary,
                emoji="⚙️",
                label="More…",
                custom_id=f"mp:v1:more:{drawing_id}",
            )
        )
        self.drawing_id = drawing_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Make the button that was tapped."""
        return cls(int(match["drawing"]))

    async def act(self, interaction: discord.Interaction[Any]) -> None:
        """Open the menu."""
        await interaction.client.card_menu.open(interaction, self.drawing_id)
