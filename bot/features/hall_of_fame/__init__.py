"""The funniest, best and worst: as pages to turn, and as posts in a channel of their own."""

from bot.features.hall_of_fame._cog import HallOfFame, setup
from bot.features.hall_of_fame._posts import HallPosts

__all__ = ["HallOfFame", "HallPosts", "setup"]
