"""Migrations: they agree with the models, go down and up with rows, and run once."""

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Column, Connection, Engine, MetaData, Table, create_engine, func, select
from sqlalchemy import inspect as inspect_schema
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from bot.store import Store, StoreError, migrate, sqlite_url
from bot.store.models import Base
from bot.store.urls import parse

REVISIONS = list(ScriptDirectory.from_config(migrate.config()).walk_revisions())[::-1]
# What a CHECK allows; any other column takes a value of its type.
ALLOWED = {
    "source": "mention",
    "kind": "funny",
    "state": "failed",
    "collections": ["shared"],
    "consent": "training",
    "note": "orientation",
    "reason": "photo",
    "strokes": {},
}


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    engine: Engine = create_engine(url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _value(column: Column[object]) -> object:
    if column.name in ALLOWED:
        return ALLOWED[column.name]
    if column.primary_key or column.foreign_keys:
        return 1  # every table gets its one row
    kind = column.type.python_type
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) if kind is datetime else kind(7)


def _fill(connection: Connection) -> None:
    for table in _tables(connection):
        connection.execute(table.insert().values({c.name: _value(c) for c in table.columns}))


def _rows(url: str) -> dict[str, dict[str, object]]:
    with _connect(url) as connection:
        rows = {t.name: connection.execute(select(t)).mappings().all() for t in _tables(connection)}
    return {name: dict(found[0]) for name, found in rows.items() if found}


def _schema(url: str) -> dict[str, dict[str, object]]:
    with _connect(url) as connection:
        inspector = inspect_schema(connection)
        return {
            table: {
                # Sorted: a column added later stands last in a migrated table.
                "columns": sorted(
                    (c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)
                ),
                "checks": sorted(str(c) for c in inspector.get_check_constraints(table)),
                "uniques": sorted(str(c) for c in inspector.get_unique_constraints(table)),
                "foreign keys": sorted(str(c) for c in inspector.get_foreign_keys(table)),
                "primary key": inspector.get_pk_constraint(table),
                "indexes": sorted(str(c) for c in inspector.get_indexes(table)),
                "never reuses ids": "AUTOINCREMENT"
                in connection.exec_driver_sql(
                    "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
                ).scalar_one(),
            }
            for table in inspector.get_table_names()
            if table != "alembic_version"
        }


def test_migrations_and_models_agree(url: str, tmp_path: Path) -> None:
    migrate.upgrade(url)
    with _connect(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []

    # Autogenerate is blind to CHECKs and AUTOINCREMENT: compare with what the models create.
    from_models = sqlite_url(tmp_path / "models.db")
    with _connect(from_models) as connection:
        Base.metadata.create_all(connection)
    assert _schema(url) == _schema(from_models)


@pytest.mark.parametrize("script", REVISIONS, ids=lambda script: script.revision)
def test_each_migration_goes_down_and_up_with_rows_in_every_table(script: Script, url: str) -> None:
    before = script.down_revision or "base"
    assert isinstance(before, str)
    migrate.upgrade(url, script.revision)
    with _connect(url) as connection:
        _fill(connection)
    full = _rows(url)
    assert set(full) == set(_schema(url))

    migrate.downgrade(url, before)
    assert migrate.current(url) == script.down_revision
    _assert_survived(full, url)
    migrate.upgrade(url, script.revision)
    assert migrate.current(url) == script.revision
    _assert_survived(full, url)
    if before == "base":
        assert _rows(url) == {}


def _assert_survived(full: dict[str, dict[str, object]], url: str) -> None:
    """Every table that was there all along still has its row, with the columns it shares."""
    for table, row in _rows(url).items():
        shared = row.keys() & full[table].keys()
        assert {c: row[c] for c in shared if row[c] is not None} == {
            c: full[table][c] for c in shared if row[c] is not None
        }


def test_rows_survive_a_table_made_anew(url: str) -> None:
    """Batch mode drops the old table: enforced foreign keys would empty results and votes."""
    migrate.upgrade(url)
    with _connect(url) as connection:
        _fill(connection)
    full = _rows(url)
    with migrate._locked(parse(url)) as connection:  # what a migration runs in
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("drawings", recreate="always") as batch:
            batch.drop_column("size_bytes")
    del full["drawings"]["size_bytes"]
    assert _rows(url) == full


def test_upgrading_again_changes_nothing(url: str) -> None:
    assert migrate.current(url) is None
    migrate.upgrade(url)
    with _connect(url) as connection:
        _fill(connection)
    before = _rows(url)
    migrate.upgrade(url)
    assert _rows(url) == before
    assert migrate.current(url) == migrate.head()


def test_asking_for_the_revision_makes_no_file(url: str, tmp_path: Path) -> None:
    assert migrate.current(url) is None
    assert list(tmp_path.iterdir()) == []


def test_a_second_migration_waits_for_the_first_and_finds_it_done(url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with migrate._locked(parse(url)) as connection:
            second = pool.submit(migrate.upgrade, url)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
            Base.metadata.create_all(connection)
            MigrationContext.configure(connection).stamp(
                ScriptDirectory.from_config(migrate.config()), "head"
            )
        second.result(timeout=10)
    assert migrate.current(url) == migrate.head()


def test_processes_and_threads_that_start_together_migrate_once(url: str) -> None:
    program = (
        "import asyncio, sys; from bot.store import Store, server_settings as s\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "async def main():\n"
        "    async with Store.open(sys.argv[1]) as store, store.write() as session:\n"
        "        await s.change(session, int(sys.argv[2]), 1, drawing_channel_id=1)\n"
        "asyncio.run(main())\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, url, str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for n in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: migrate.upgrade(url), range(3)))
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with _connect(url) as connection:
        table = next(t for t in _tables(connection) if t.name == "server_settings")
        assert connection.scalar(select(func.count()).select_from(table)) == 3


async def test_a_database_from_a_newer_version_is_left_alone(url: str) -> None:
    migrate.upgrade(url)
    with _connect(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"newer version.*9999"):
        async with Store.open(url):
            pytest.fail("it must not open")
    assert migrate.current(url) == "9999"


def test_a_failing_migration_leaves_the_database_as_it_was(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Connection) -> None:
        raise StoreError("The migration would leave broken references")

    monkeypatch.setattr(migrate, "_refuse_broken_references", broken)
    with pytest.raises(StoreError, match="broken references"):
        migrate.upgrade(url)
    assert _schema(url) == {}
    assert migrate.current(url) is None


def test_broken_references_are_refused(url: str) -> None:
    migrate.upgrade(url)
    with _connect(url) as connection:
        _fill(connection)
        connection.exec_driver_sql("DELETE FROM results")  # the driver's default: not enforced
    with pytest.raises(StoreError, match="references in: failure_notes, hall_posts, votes"):
        migrate.upgrade(url)


def test_a_file_that_is_no_database_is_said_in_a_sentence(url: str, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"hello " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        migrate.upgrade(url)


def test_migrating_leaves_logging_alone(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("bot.something")
    handlers = logging.getLogger().handlers[:]
    migrate.upgrade(url)
    assert logging.getLogger().handlers == handlers
    assert not logger.disabled
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("script", REVISIONS, ids=lambda script: script.revision)
def test_migrations_compile_for_postgresql(script: Script) -> None:
    """No server here: this sees types and statements, not behaviour."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        script.module.upgrade()
        script.module.downgrade()
    assert written.getvalue().count(";") >= 2


def test_models_compile_for_postgresql_with_wide_ids_and_zones() -> None:
    sql = str(CreateTable(Base.metadata.tables["votes"]).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "user_id BIGINT NOT NULL" in sql
    assert "created_at TIMESTAMP WITH TIME ZONE NOT NULL" in sql
    assert "CHECK (kind IN ('good', 'miss', 'funny'))" in sql
