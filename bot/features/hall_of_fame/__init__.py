"""The funniest, best and worst: as pages to turn, and as posts in a channel of their own."""

from bot.features.hall_of_fame._cog import HallOfFame, setup

__all__ = ["HallOfFame", "setup"]
