"""Knows people again without keeping their ids: a hash with a key that never leaves the machine."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

_BYTES = 32


class MemberKeys:
    """Makes the names under which blocked members are kept."""

    def __init__(self, home: Path) -> None:
        """Read the key of this home, or make it. Blocks."""
        file = home / "members.key"
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            self._key = file.read_bytes()
            return
        self._key = secrets.token_bytes(_BYTES)
        with os.fdopen(descriptor, "wb") as new:
            new.write(self._key)
            new.flush()
            os.fsync(new.fileno())

    def of(self, guild_id: int, user_id: int) -> str:
        """Return a member's name in a server: 64 hexadecimal digits, another in each server."""
        text = f"{guild_id}:{user_id}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
