"""A copy of the database while it is in use; the drawings' files are copied by other means."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from bot.store.files import sync_folder
from bot.store.urls import StoreError, parse, sqlite_path


def backup(url: str, target: Path, *, overwrite: bool = False) -> None:
    """Copy the SQLite database at `url` to the file `target`, consistent and checked; blocks.

    Writers may go on meanwhile. `target` appears complete or not at all. Raises StoreError when
    there is no database, `target` exists, the copy is damaged, or the engine is not SQLite.
    """
    source = sqlite_path(parse(url))
    if source is None:
        raise StoreError("This database is PostgreSQL: back it up with pg_dump.")
    if not source.is_file():
        raise StoreError(f"There is no database at {source} yet.")
    if target.exists() and not overwrite:
        raise StoreError(f"{target} exists already; choose another name or allow overwriting.")
    if target.exists() and target.samefile(source):
        raise StoreError(f"{target} is the database itself; choose another name.")

    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, suffix=".part")  # mode 0600
    os.close(descriptor)
    part = Path(name)
    try:
        _copy(source, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except sqlite3.Error as error:
        raise StoreError(f"The database at {source} could not be copied: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    sync_folder(target.parent)


def _copy(source: Path, part: Path) -> None:
    """Copy with SQLite's online backup API (https://www.sqlite.org/backup.html) and check."""
    # mode=rw: never create the source. One step for all pages: a snapshot, with no restarts.
    address = source.absolute().as_uri() + "?mode=rw"
    with (
        closing(sqlite3.connect(address, uri=True)) as original,
        closing(sqlite3.connect(part)) as copy,
    ):
        original.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, no -wal beside it
        verdict = [row[0] for row in copy.execute("PRAGMA integrity_check")]
    if verdict != ["ok"]:
        raise StoreError(f"The copy of {source} is damaged: {verdict[0]}.")
