"""Many files through the encoder: two threads read ahead while it computes on batches.

What is read, and what becomes of a batch, is the caller's. Loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

BATCH: Final = 16
READERS: Final = 2

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def batches(
    read: Callable[[_Item], _Result], items: Sequence[_Item], pool: ThreadPoolExecutor
) -> Iterator[list[_Result]]:
    """Yield what ``read`` makes of the items, in their order, at most BATCH at a time.

    Args:
        read: called on the pool's threads; what it raises is raised here.
        items: what to read.
        pool: of READERS threads; the caller's, so that it has ended when the caller has.
    """
    results = _map_ahead(pool, read, items, 4 * BATCH)
    while batch := list(islice(results, BATCH)):
        yield batch


def _map_ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    ahead: int,
) -> Iterator[_Result]:
    """Map in order, with at most ``ahead`` results waiting: photos are large once decoded."""
    waiting = [pool.submit(function, item) for item in items[:ahead]]
    for position in range(len(items)):
        yield waiting.pop(0).result()
        if position + ahead < len(items):
            waiting.append(pool.submit(function, items[position + ahead]))
