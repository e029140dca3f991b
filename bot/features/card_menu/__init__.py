"""What opens behind "More…" on a result card."""

from bot.features.card_menu._cog import CardMenu, setup

__all__ = ["CardMenu", "setup"]
