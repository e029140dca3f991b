"""A drawing comes in, a result card goes out."""

from bot.features.drawing._cog import Drawing, setup

__all__ = ["Drawing", "setup"]
