"""Alembic run from the program: up to the newest schema at start, down for tests and repairs.

Everything is synchronous (call it in a thread) and happens in one transaction under the database's
write lock, so that two processes starting together migrate once. No logging is configured here.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

import migrations
from bot.store.urls import StoreError, parse, sqlite_path

NO_DRIVER = 'PostgreSQL needs its driver: pip install "psycopg[binary]>=3.2".'
WAIT_SECONDS = 120  # for another process that is migrating
_ADVISORY_LOCK = 0x6D70  # any number of our own

# Alembic keeps the migration under way in module globals (alembic.context).
_one_at_a_time = threading.Lock()


def head() -> str:
    """Return the newest revision this version of the program knows."""
    return _scripts().get_current_head() or "base"


def current(url: str) -> str | None:
    """Return the revision of the database at `url`, None for an empty or absent one."""
    parsed = parse(url)
    path = sqlite_path(parsed)
    if path is not None and not path.exists():
        return None  # asking must not create the file
    with _locked(parsed) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` up to `revision`, creating it when absent.

    Raises StoreError when the database is from a newer version or cannot be migrated.
    """
    _move(url, revision, up=True)


def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` down to `revision` ("base" for empty)."""
    _move(url, revision, up=False)


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, found from the installed `migrations` package."""
    folder = Path(migrations.__path__[0])
    configuration = Config()
    configuration.set_main_option("script_location", str(folder).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    return configuration


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def _move(url: str, revision: str, *, up: bool) -> None:
    parsed = parse(url)
    path = sqlite_path(parsed)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time, _locked(parsed) as connection:
        _refuse_newer(connection)
        try:
            (command.upgrade if up else command.downgrade)(config(connection), revision)
        except CommandError as error:
            raise StoreError(f"The database cannot go to revision {revision}: {error}") from error
        _refuse_broken_references(connection)


@contextmanager
def _locked(url: URL) -> Iterator[Connection]:
    """Hold a transaction no other writer can share; commit at the end, roll back on exceptions."""
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            if url.get_backend_name() == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            yield connection
    except DBAPIError as error:
        raise StoreError(f"The database {url!r} cannot be used: {error.orig}") from error
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    """Return a synchronous engine; on SQLite its transactions start with BEGIN IMMEDIATE."""
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url, poolclass=NullPool)
        except ModuleNotFoundError as error:
            raise StoreError(NO_DRIVER) from error

    engine = create_engine(url.set(drivername="sqlite"), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}")
        _use_wal(cursor)
        # A batch migration drops and recreates a table; enforced, ON DELETE CASCADE would empty
        # the tables that refer to it. References are checked at the end instead.
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _use_wal(cursor: DBAPICursor) -> None:
    """Make the file a WAL database, which it stays: later connections only find it so.

    SQLite answers this with "database is locked" at once, whatever the busy timeout, while another
    process does the same or writes in the old mode: so the waiting is done here.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _refuse_newer(connection: Connection) -> None:
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreError(
            f"This database was made by a newer version of Magic Pencil (schema {revision}, this "
            f"version knows up to {head()}). Update Magic Pencil, or start from an older backup."
        )


def _refuse_broken_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return  # PostgreSQL enforced them all along
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        tables = ", ".join(sorted({row[0] for row in broken}))
        raise StoreError(f"The migration would leave broken references in: {tables}. Undone.")
