"""Small turns of phrase that several replies share."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return "1 photo" or "2,000 photos"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
