"""What a generation knows of its photos: MessagePack records back to back, read one at a time.

A million records as objects would take more memory than their vectors, so the file is mapped and a
record is decoded when its photo is found. A photo's *slot* is its place in this file and its id in
the index; the slot of one that was taken away stays empty, so that the others keep theirs.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

RECORDS_FILE = "photos.msgpack"
OFFSETS_FILE = "photos.offsets"


class IndexedPhoto(msgspec.Struct, frozen=True, array_like=True):
    """What a generation knows of a photo."""

    photo_id: str  # SHA-256 of the file, hexadecimal
    name: str  # path inside the collection
    title: str
    credit: str
    licence: str


_decode = msgspec.msgpack.Decoder(IndexedPhoto).decode
_encode = msgspec.msgpack.Encoder().encode


class Records:
    """The photos of one generation by slot. Immutable; any number of threads may read."""

    def __init__(self, data: bytes | mmap.mmap, offsets: npt.NDArray[np.uint64]) -> None:
        """Take the records' bytes and, for each slot and the end, where it begins."""
        self._data = data
        self._offsets = offsets

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the files of a generation. Raises OSError or ValueError if they are none."""
        offsets = np.fromfile(folder / OFFSETS_FILE, dtype="<u8")
        with (folder / RECORDS_FILE).open("rb") as file:
            size = file.seek(0, 2)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        gaps = np.diff(offsets.astype(np.int64))
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != size or (gaps < 0).any():
            raise ValueError("the offsets are not those of the records")
        return cls(data, offsets)

    @property
    def slots(self) -> int:
        """How many slots there are, empty ones too."""
        return len(self._offsets) - 1

    def __len__(self) -> int:
        """How many photos there are."""
        return int((np.diff(self._offsets) > 0).sum())

    def __getitem__(self, slot: int) -> IndexedPhoto:
        """Return the photo of a slot. Raises KeyError if it is empty."""
        record = self.raw(slot)
        if not record:
            raise KeyError(slot)
        return _decode(record)

    def __iter__(self) -> Iterator[IndexedPhoto]:
        """Yield every photo in the order of slots."""
        return (photo for _, photo in self.items())

    def items(self) -> Iterator[tuple[int, IndexedPhoto]]:
        """Yield every photo with its slot."""
        for slot in range(self.slots):
            if record := self.raw(slot):
                yield slot, _decode(record)

    def find(self, photo_id: str) -> IndexedPhoto | None:
        """Return the photo of that id, if it is here."""
        # An array of so many things, as MessagePack has it, of which the id is the first.
        head = bytes([0x90 + len(IndexedPhoto.__struct_fields__)])
        start = self._data.find(head + _encode(photo_id))
        slot = int(np.searchsorted(self._offsets, start, "right")) - 1
        if start < 0 or self._offsets[slot] != start:
            return None
        return self[slot]

    def raw(self, slot: int) -> bytes:
        """Return a slot's record as it is stored, empty if there is none."""
        start, end = self._offsets[slot], self._offsets[slot + 1]
        return self._data[int(start) : int(end)]


def write_records(folder: Path, photos: Iterable[IndexedPhoto | bytes | None]) -> None:
    """Write a slot for each photo, record or nothing, in order."""
    offsets = [0]
    with (folder / RECORDS_FILE).open("wb") as file:
        for photo in photos:
            record = _encode(photo) if isinstance(photo, IndexedPhoto) else photo or b""
            offsets.append(offsets[-1] + file.write(record))
    np.array(offsets, dtype="<u8").tofile(folder / OFFSETS_FILE)
