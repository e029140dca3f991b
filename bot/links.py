"""Private links to the drawing page: who may draw there, for which channel, until when.

A link is signed, so nobody can make one up or change one. Which browser opened it and whether it
was used is in `bot.store.draw_links`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import discord
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from bot.errors import UserError

OPEN_SECONDS = 15 * 60  # a link is opened within this time,
DRAW_SECONDS = 2 * 60 * 60  # and what is drawn there is posted within this
_KEY_BYTES = 32


class LinkError(UserError):
    """A link that is no good, or no good any more."""


class UsedLinkError(LinkError):
    """A link whose drawing is posted."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says; the nonce tells it from every other."""

    guild_id: int | None  # None: a direct message
    channel_id: int
    user_id: int
    nonce: str


class Links:
    """Makes links and reads them again."""

    def __init__(self, key: bytes) -> None:
        """Sign with this key; links signed with another are none of ours."""
        self._serializer = URLSafeTimedSerializer(
            key,
            salt="magic-pencil/draw",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    @classmethod
    def of(cls, home: Path) -> Links:
        """Sign with the key kept in a folder, made when there is none that is whole."""
        path = home / "links.key"
        key = path.read_bytes() if path.exists() else b""
        if len(key) < _KEY_BYTES:  # anybody could sign with the empty file that a full disk leaves
            key = secrets.token_bytes(_KEY_BYTES)
            _write(path, key)
        return cls(key)

    def issue(self, guild_id: int | None, channel_id: int, user_id: int) -> str:
        """Make the token of a new link."""
        return self._serializer.dumps([guild_id, channel_id, user_id, secrets.token_hex(16)])

    def read(self, token: str, seconds: int) -> Link:
        """Read a token that was issued in the last ``seconds``.

        Raises:
            LinkError: it is older, or was not made here.
        """
        try:
            guild_id, channel_id, user_id, nonce = self._serializer.loads(token, max_age=seconds)
        except SignatureExpired:
            raise LinkError(
                "This link is too old. Type `/draw` in Discord for a new one; your drawing is kept "
                "in this browser meanwhile."
            ) from None
        except BadData:
            raise LinkError("This link is not one of mine. Type `/draw` in Discord.") from None
        return Link(guild_id, channel_id, user_id, nonce)


def may_post(permissions: discord.Permissions, *, in_thread: bool) -> bool:
    """Say whether somebody with these permissions may post pictures in a channel or a thread."""
    send = permissions.send_messages_in_threads if in_thread else permissions.send_messages
    return permissions.view_channel and send and permissions.attach_files


def address(public_url: str, token: str) -> str:
    """Return a link as it is handed out.

    The token stands behind the #: browsers do not send it with the first request, so it is in no
    proxy's log, and whatever previews links never has it.
    """
    return f"{public_url}/draw#{token}"


def _write(path: Path, key: bytes) -> None:
    """Write a file that is its owner's alone, whole or not at all."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
