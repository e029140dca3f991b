"""Many files through the encoder: two threads read ahead while it computes on batches.

What is read, and what becomes of a batch, is the caller's. Loads nothing.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

BATCH: Final = 16
READERS: Final = 2
_LAST: Final = 15  # of -20 to 19, the kernel's order of who runs first

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def readers() -> ThreadPoolExecutor:
    """Return a pool of threads to read with, that give way to the ones that compute.

    Arithmetic on all cores is stopped short by every thread that takes a core from it for a while.
    """
    return ThreadPoolExecutor(READERS, "picture-reader", initializer=step_back)


def step_back() -> None:
    """Let the kernel run this thread after those that somebody waits for, where it knows threads.

    On Linux priorities are a thread's own; elsewhere they are the process's and stay as they are.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LAST)


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
