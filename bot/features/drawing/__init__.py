"""A drawing comes in, a result card goes out."""

from bot.features.drawing._answer import Answer, Origin, Picture, answer, match, remember
from bot.features.drawing._cog import Drawing, setup

__all__ = ["Answer", "Drawing", "Origin", "Picture", "answer", "match", "remember", "setup"]
