"""The connection to the database: sessions to read with, sessions to write with.

On SQLite there are two pools on one file: readers, which cannot write, and a single writer, whose
transactions start with BEGIN IMMEDIATE. A transaction that starts as a reader and then writes gets
"database is locked" at once, whatever the busy timeout; here it cannot happen. Queries live in the
modules of their aggregates.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from bot.store import migrate
from bot.store.urls import StoreError, parse, sqlite_path, sqlite_url

__all__ = ["Store", "StoreError", "sqlite_url"]

BUSY_TIMEOUT_MS = 5000  # how long a writer waits for another process's writer


class Store:
    """The database, for one event loop.

    `Store(url)` takes the schema as it is; `Store.open(url)` brings it up to date first.
    Raises StoreError for an address it cannot use.
    """

    def __init__(self, url: str) -> None:
        self.url = parse(url)
        path = sqlite_path(self.url)
        if path is None:
            engine = _server_engine(self.url)
            self._engines = [engine]
            self._readers = self._writers = _sessions(engine)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            reader, writer = _reading_engine(self.url), _writing_engine(self.url)
            self._engines = [reader, writer]
            self._readers, self._writers = _sessions(reader), _sessions(writer)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Apply the migrations that are missing, then hold the store open."""
        await asyncio.to_thread(migrate.upgrade, url)
        store = cls(url)
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Hold a session that sees one consistent state; what it changes is not kept."""
        async with self._readers() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Hold a session that commits at the end and rolls back on any exception.

        On SQLite there is one writer at a time: await nothing slow inside, and never nest it.
        """
        async with self._writers() as session, session.begin():
            yield session

    async def wipe(self) -> None:
        """Write what was deleted over in the file itself, and empty SQLite's log of changes.

        Deleted bytes are overwritten as they are deleted, but a copy of them waits in the
        write-ahead log until it is checkpointed. Other databases look after this themselves.
        """
        if sqlite_path(self.url) is None:
            return
        connection = await self._engines[-1].raw_connection()  # a transaction would be in the way
        try:
            driver = connection.driver_connection
            assert driver is not None  # noqa: S101 - it was just taken from the pool
            await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    async def close(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            await engine.dispose()


def _sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    # Rows stay readable after the commit: callers render them outside the session.
    return async_sessionmaker(engine, expire_on_commit=False)


def _server_engine(url: URL) -> AsyncEngine:
    try:
        return create_async_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StoreError(migrate.NO_DRIVER) from error


def _reading_engine(url: URL) -> AsyncEngine:
    # Few connections: each has a thread of its own, and a read takes a millisecond.
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=4, max_overflow=0, pool_timeout=30
    )
    _configure_sqlite(engine, begin="BEGIN", query_only=True)
    return engine


def _writing_engine(url: URL) -> AsyncEngine:
    # One connection: writers of this process queue in order here instead of polling SQLite's lock.
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0, pool_timeout=30
    )
    _configure_sqlite(engine, begin="BEGIN IMMEDIATE", query_only=False)
    return engine


def _configure_sqlite(engine: AsyncEngine, *, begin: str, query_only: bool) -> None:
    """Take transactions over from the driver and set the pragmas of each new connection.

    The recipe is SQLAlchemy's: https://docs.sqlalchemy.org/en/21/dialects/sqlite.html
    (Enabling Non-Legacy SQLite Transactional Modes).
    """

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")  # first: the others may wait
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is gone from the file too
        cursor.execute(f"PRAGMA query_only={int(query_only)}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
