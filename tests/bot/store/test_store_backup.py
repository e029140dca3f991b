"""Backups taken while the database is in use."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.store import Store, StoreError, sqlite_url
from bot.store.backup import backup
from bot.store.drawings import load_card
from bot.store.models import Drawing

RecordDrawing = Callable[..., Awaitable[Drawing]]


async def test_a_backup_during_writes_is_consistent(
    store: Store, url: str, tmp_path: Path, record_drawing: RecordDrawing
) -> None:
    """Each drawing is written with its three results in one transaction: never fewer."""
    await record_drawing()
    stop = asyncio.Event()

    async def keep_writing() -> int:
        written = 1
        while not stop.is_set():
            await record_drawing()
            written += 1
        return written

    writer = asyncio.create_task(keep_writing())
    targets = [tmp_path / "copies" / f"{n}.db" for n in range(10)]
    for target in targets:
        await asyncio.to_thread(backup, url, target)
        await asyncio.sleep(0.02)
    stop.set()
    written = await writer

    seen = []
    for target in targets:
        with closing(sqlite3.connect(target)) as copy:
            (drawings,) = copy.execute("SELECT count(*) FROM drawings").fetchone()
            (results,) = copy.execute("SELECT count(*) FROM results").fetchone()
        assert results == 3 * drawings
        seen.append(drawings)
    assert seen == sorted(seen)
    assert 1 <= seen[0] < seen[-1] <= written


async def test_a_backup_is_one_private_file_that_the_store_opens(
    store: Store, url: str, tmp_path: Path, record_drawing: RecordDrawing
) -> None:
    drawing = await record_drawing()
    target = tmp_path / "copies" / "a b.db"
    backup(url, target)
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o600
    async with Store.open(sqlite_url(target)) as copy, copy.read() as session:
        assert await load_card(session, drawing.id) is not None


async def test_it_overwrites_only_when_asked(store: Store, url: str, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(StoreError, match="exists already"):
        backup(url, target)
    assert target.read_text() == "precious"
    backup(url, target, overwrite=True)
    assert target.read_bytes().startswith(b"SQLite format 3")


async def test_it_never_overwrites_the_database_itself(
    store: Store, url: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="the database itself"):
        backup(url, tmp_path / "store.db", overwrite=True)


def test_no_database_is_said_and_none_is_made(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database"):
        backup(url, tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


async def test_a_damaged_database_gives_no_backup(
    store: Store, url: str, tmp_path: Path, record_drawing: RecordDrawing
) -> None:
    for _ in range(200):
        await record_drawing()
    await store.close()  # everything is in the one file now
    with (tmp_path / "store.db").open("rb+") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreError, match=r"damaged|could not be copied"):
        backup(url, tmp_path / "copies" / "copy.db")
    assert list((tmp_path / "copies").iterdir()) == []


def test_postgresql_is_sent_to_pg_dump(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pg_dump"):
        backup("postgresql://user:secret@host/db", tmp_path / "copy.db")
