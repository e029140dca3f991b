"""Frames on a stream socket: four bytes of length, big-endian, then that many bytes."""

from __future__ import annotations

import struct

MAX_FRAME = 32 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class FrameError(ValueError):
    """A peer sent something that cannot be a frame; the connection is of no more use."""


def frame(payload: bytes) -> bytes:
    """Return ``payload`` with its length in front.

    Raises:
        FrameError: it is longer than MAX_FRAME.
    """
    if len(payload) > MAX_FRAME:
        raise FrameError(f"a message of {len(payload)} bytes is over the limit of {MAX_FRAME}")
    return _LENGTH.pack(len(payload)) + payload


class FrameReader:
    """Cut a stream of chunks into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next chunk and return the frames that it completes, in order.

        Raises:
            FrameError: a frame announces more than MAX_FRAME bytes.
        """
        self._buffer += chunk
        frames = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > MAX_FRAME:
                raise FrameError(f"a frame of {length} bytes is over the limit of {MAX_FRAME}")
            end = start + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + _LENGTH.size : end]))
            start = end
        if start:
            del self._buffer[:start]
        return frames
