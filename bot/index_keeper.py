"""Keeps indexes up with their photos: a build after every change, one for many changes at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from retrieval.reports import BuildReport
from retrieval.serving.client import RetrievalClient
from retrieval.serving.errors import RetrievalError

_PAUSE = 0.5


class IndexKeeper:
    """Asks the worker for the builds that changes call for."""

    def __init__(self, retrieval: RetrievalClient) -> None:
        """Begin with nothing to build."""
        self._retrieval = retrieval
        self._waiting: dict[str, asyncio.Task[BuildReport]] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def refresh(self, collection: str) -> BuildReport:
        """Build a collection's index with everything that was changed before now.

        Whoever asks while a build is running shares the next one.

        Raises:
            RetrievalError: it could not be built; the old index serves on.
        """
        task = self._waiting.get(collection)
        if task is None:
            task = asyncio.create_task(self._build(collection), name=f"refresh {collection}")
            self._waiting[collection] = task
        return await asyncio.shield(task)

    async def _build(self, collection: str) -> BuildReport:
        async with self._turns[collection]:
            del self._waiting[collection]  # what is changed from now on needs another build
            while True:
                try:
                    async for update in self._retrieval.build(collection):
                        if isinstance(update, BuildReport):
                            return update
                except RetrievalError as error:
                    if error.code != "build_running":
                        raise
                await asyncio.sleep(_PAUSE)  # somebody rebuilds it, perhaps from before the change
