"""Connections: the pragmas are set, writers wait for each other, readers never write."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from bot.store import Store, StoreError, sqlite_url
from bot.store.migrate import upgrade
from bot.store.models import ServerSettings
from bot.store.server_settings import change, drawing_channel


@pytest.mark.parametrize("side", ["read", "write"])
async def test_every_connection_has_its_pragmas(store: Store, side: str) -> None:
    async with getattr(store, side)() as session:
        pragmas = {
            name: await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "busy_timeout": 5000,
        "foreign_keys": 1,
        "synchronous": 1,  # NORMAL
    }


async def test_write_commits_and_rolls_back_on_an_exception(store: Store) -> None:
    async with store.write() as session:
        await change(session, 1, 5, drawing_channel_id=11)

    async def write_and_fail() -> None:
        async with store.write() as session:
            await change(session, 1, 5, drawing_channel_id=22)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with store.read() as session:
        assert await drawing_channel(session, 1) == 11


async def test_a_reading_session_cannot_write(store: Store) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        async with store.read() as session:
            await change(session, 1, 5, drawing_channel_id=11)


async def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    async with store.read() as reading:
        assert await drawing_channel(reading, 1) is None
        async with store.write() as writing:
            await change(writing, 1, 5, drawing_channel_id=11)
        assert await drawing_channel(reading, 1) is None
    async with store.read() as reading:
        assert await drawing_channel(reading, 1) == 11


async def test_a_writer_that_reads_first_waits_for_another_writer(store: Store, url: str) -> None:
    """The classic failure: read, then write, while somebody else commits in between."""
    other = Store(url)
    holding, released = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with store.write() as session:
            await change(session, 1, 5, drawing_channel_id=11)
            holding.set()
            await released.wait()

    async def read_then_write() -> int | None:
        async with other.write() as session:
            before = await drawing_channel(session, 1)
            await change(session, 1, 6, drawing_channel_id=22)
            return before

    holder = asyncio.create_task(hold())
    await holding.wait()
    waiter = asyncio.create_task(read_then_write())
    await asyncio.sleep(0.3)
    assert not waiter.done()
    released.set()
    assert await waiter == 11  # it saw what the first one wrote
    await holder
    await other.close()


@pytest.mark.parametrize("waiting_for", ["another process", "this process"])
async def test_a_cancelled_writer_leaves_no_lock_behind(
    store: Store, url: str, waiting_for: str
) -> None:
    other = store if waiting_for == "this process" else Store(url)

    async def write(to: Store, channel: int) -> None:
        async with to.write() as session:
            await change(session, 1, 5, drawing_channel_id=channel)

    async with store.write() as session:
        await change(session, 1, 5, drawing_channel_id=11)
        doomed = asyncio.create_task(write(other, 22))
        await asyncio.sleep(0.1)
        doomed.cancel()

    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await doomed
        await write(other, 33)
        await write(store, 44)
    async with store.read() as session:
        assert await drawing_channel(session, 1) == 44
    await other.close()


async def test_a_writer_cancelled_halfway_is_rolled_back(store: Store) -> None:
    written = asyncio.Event()

    async def write_and_wait() -> None:
        async with store.write() as session:
            await change(session, 1, 5, drawing_channel_id=22)
            written.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write_and_wait())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5), store.write() as session:
        assert await drawing_channel(session, 1) is None


async def test_a_path_with_odd_characters_is_that_path(tmp_path: Path) -> None:
    file = tmp_path / "ein Ordner 100% é#+&;" / "my store.db"
    async with Store.open(sqlite_url(file)) as store, store.write() as session:
        await change(session, 1, 5, drawing_channel_id=11)
    assert file.is_file()
    assert [p.name for p in file.parent.iterdir()] == ["my store.db"]  # closed: no -wal left


async def test_times_come_back_aware(store: Store) -> None:
    async with store.write() as session:
        await change(session, 1, 5, drawing_channel_id=11)
    async with store.read() as session:
        settings = (await session.scalars(select(ServerSettings))).one()
    assert settings.updated_at.tzname() == "UTC"


def test_postgresql_without_its_driver_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for use in (Store, upgrade):
        with pytest.raises(StoreError, match="pip install"):
            use("postgresql://user:secret@host/db")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("sqlite://", "needs a database file"),
        ("sqlite:///:memory:", "needs a database file"),
        ("mysql://u:secret@h/db", "not mysql"),
        ("u:secret@h", "not one"),
    ],
)
def test_addresses_it_cannot_use_are_refused_in_a_sentence(address: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as refusal:
        Store(address)
    assert "secret" not in str(refusal.value)
