"""Small turns of phrase that several replies share."""

from __future__ import annotations

LONGEST = 2000  # characters of a plain message


def counted(number: int, thing: str) -> str:
    """Return "1 photo" or "2,000 photos"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def fitting(text: str) -> str:
    """Return a text that one message holds: of a longer one, its last lines are left out."""
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - 2].rpartition("\n")[0] + "\n…"
