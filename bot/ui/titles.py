"""Titles that members earn by what they do: the highest of each ladder is theirs."""

from __future__ import annotations

from typing import NamedTuple

from bot.store.standings import Deeds


class Title(NamedTuple):
    """A title, and how many of which deeds earn it."""

    name: str
    deed: str  # a field of Deeds
    needed: int


_LADDERS: tuple[tuple[Title, ...], ...] = (
    (
        Title("✏️ Doodler", "drawings", 1),
        Title("🖍️ Scribbler", "drawings", 10),
        Title("🖌️ Sketch Artist", "drawings", 50),
        Title("🎨 Old Master", "drawings", 200),
    ),
    (
        Title("🙂 Smile Maker", "funny", 5),
        Title("😂 Comedian", "funny", 50),
        Title("🤡 Legend of Laughs", "funny", 250),
    ),
    (
        Title("🎯 Steady Hand", "good", 10),
        Title("🏹 Sharpshooter", "good", 100),
        Title("👁️ Human Camera", "good", 500),
    ),
    (
        Title("👀 Keen Eye", "votes", 20),
        Title("⚖️ Critic", "votes", 200),
        Title("🏛️ Chief Justice", "votes", 1000),
    ),
)
_WORDS = {
    "drawings": ("drawing", "drawings"),
    "funny": ("funny vote received", "funny votes received"),
    "good": ("good match received", "good matches received"),
    "votes": ("vote given", "votes given"),
}


def earned(deeds: Deeds) -> list[str]:
    """Return the highest title of each ladder that somebody has begun to climb."""
    held = []
    for ladder in _LADDERS:
        reached = [title for title in ladder if getattr(deeds, title.deed) >= title.needed]
        if reached:
            held.append(reached[-1].name)
    return held


def next_title(deeds: Deeds) -> str | None:
    """Say what is nearest to being earned, None when all is."""
    ahead = [
        (getattr(deeds, title.deed) / title.needed, title)
        for ladder in _LADDERS
        for title in [t for t in ladder if getattr(deeds, t.deed) < t.needed][:1]
    ]
    if not ahead:
        return None
    _, title = max(ahead, key=lambda pair: pair[0])
    missing = title.needed - getattr(deeds, title.deed)
    return f"{missing:,} more {_WORDS[title.deed][missing != 1]} for {title.name}"
