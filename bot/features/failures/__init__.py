"""Failure cases: browsed and noted by moderators, exported for the next encoder."""

from bot.features.failures._cog import Failures, setup

__all__ = ["Failures", "setup"]
