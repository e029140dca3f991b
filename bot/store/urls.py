"""Database addresses: which engines the store speaks to, and how each is reached.

SQLite is reached through aiosqlite (and plain sqlite3 for migrations), PostgreSQL through psycopg 3
for both. No connection is made here.
"""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


class StoreError(Exception):
    """The store cannot be used as asked; the text is a plain sentence for the person running it."""


def sqlite_url(path: Path) -> str:
    """Return the store's address for the SQLite file `path`."""
    url = URL.create("sqlite+aiosqlite", database=str(path.absolute()))
    return url.render_as_string(hide_password=False)


def parse(url: str) -> URL:
    """Return `url` with the driver the store uses; raise StoreError for what it cannot use."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The address may hold a password: never repeat it.
        raise StoreError("The database URL is not one; it looks like sqlite:///file.db.") from None
    match parsed.get_backend_name():
        case "sqlite":
            # Readers and the writer have their own connections, so they need a file to share.
            if parsed.database in (None, "", ":memory:") or "uri" in parsed.query:
                raise StoreError("The store needs a database file; SQLite in memory won't do.")
            return parsed.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"The store speaks SQLite and PostgreSQL, not {other}.")


def sqlite_path(url: URL) -> Path | None:
    """Return the database file, or None when the engine is not SQLite."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database)
