"""Reading ahead: in order, in batches, and never far ahead of what is used."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from retrieval.readahead import BATCH, READERS, batches


@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1, 200])
def test_every_item_comes_once_in_its_order_and_batches_are_full(count):
    def read(item: int) -> int:
        time.sleep(0.002 if item % 7 == 0 else 0)
        return -item

    with ThreadPoolExecutor(READERS) as pool:
        found = list(batches(read, range(count), pool))
    assert [item for batch in found for item in batch] == [-item for item in range(count)]
    assert all(len(batch) == BATCH for batch in found[:-1])
    assert all(found)


def test_it_reads_ahead_but_not_without_end():
    read = []
    with ThreadPoolExecutor(READERS) as pool:
        coming = batches(read.append, range(1000), pool)
        next(coming)
        deadline = time.monotonic() + 5
        while len(read) < 4 * BATCH and time.monotonic() < deadline:
            time.sleep(0.01)
    assert 4 * BATCH <= len(read) <= 5 * BATCH


def test_what_reading_raises_is_raised():
    def read(item: int) -> int:
        return 1 // item

    with ThreadPoolExecutor(READERS) as pool, pytest.raises(ZeroDivisionError):
        list(batches(read, range(3), pool))
