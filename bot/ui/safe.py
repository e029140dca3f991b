"""Bases for interactive items whose errors reach the person.

discord.py only logs what a dynamic item's callback raises, and the person is left with "This
interaction failed".
"""

from __future__ import annotations

from typing import Any

import discord

from bot import errors


class SafeDynamicItem(discord.ui.DynamicItem[Any], template="mp:never"):
    """A dynamic item that tells the person when its :meth:`act` fails."""

    async def act(self, interaction: discord.Interaction[Any]) -> None:
        """Do what the item is for."""
        raise NotImplementedError

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Run :meth:`act` and tell of its failure."""
        try:
            await self.act(interaction)
        except Exception as error:
            await errors.tell(interaction, error)


class SafeLayoutView(discord.ui.LayoutView):
    """A layout whose items' errors reach the person."""

    async def on_error(
        self, interaction: discord.Interaction[Any], error: Exception, item: discord.ui.Item[Any], /
    ) -> None:
        """Tell the person."""
        await errors.tell(interaction, error)


class SafeView(discord.ui.View):
    """Buttons below a plain message, whose errors reach the person."""

    async def on_error(
        self, interaction: discord.Interaction[Any], error: Exception, item: discord.ui.Item[Any], /
    ) -> None:
        """Tell the person."""
        await errors.tell(interaction, error)
