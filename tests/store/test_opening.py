"""Opening: one process at a time, durable or refused, any released version, and never another's file."""

import asyncio
import sqlite3
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rigs.stores import BOOT, HandClock, opened, sql, step

from agent.errors import StoreRefused
from agent.store.migrations import STEPS, migrate
from agent.store.opening import open_connection
from agent.store.store import Store

OPENER = """
import asyncio, sys
from pathlib import Path
from agent.clock import SystemClock
from agent.errors import StoreRefused
from agent.store.store import Store

async def main():
    try:
        await Store.open(Path(sys.argv[1]), clock=SystemClock(), boot="x")
    except StoreRefused as error:
        print(error)

asyncio.run(main())
"""


async def test_a_commit_is_on_disk_when_it_returns(tmp_path):
    """The pragmas that the promise stands on, as SQLite tells them."""
    async with opened(tmp_path / "store.db") as store:
        values = {
            name: (await sql(store, f"PRAGMA {name}"))[0][0]
            for name in ("synchronous", "journal_mode", "locking_mode", "auto_vacuum", "mmap_size")
        }

    assert values == {
        "synchronous": 2,
        "journal_mode": "wal",
        "locking_mode": "exclusive",
        "auto_vacuum": 2,
        "mmap_size": 0,
    }


async def test_a_disk_that_cannot_promise_is_refused(tmp_path):
    """A store that would run in another journal mode than WAL (here: in memory) is not opened."""
    with pytest.raises(StoreRefused, match="journal_mode is memory, not wal"):
        await Store.open(Path(":memory:"), clock=HandClock(), boot=BOOT)


async def test_a_second_process_is_refused(tmp_path):
    """While one has it open, even idle, another is told so and does no harm."""
    async with opened(tmp_path / "store.db") as store:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPENER, str(tmp_path / "store.db"), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await child.communicate()
        await store.commit(step(1))

    assert "another edge-relay is using it" in told.decode()
    assert child.returncode == 0


async def test_a_new_store_has_an_epoch_and_keeps_it(tmp_path):
    """`seq` counts within it; two stores have different ones."""
    async with opened(tmp_path / "store.db") as store, opened(tmp_path / "other.db") as other:
        epoch = store.epoch
        assert len(epoch) == 16
        assert epoch != other.epoch
    async with opened(tmp_path / "store.db") as store:
        assert store.epoch == epoch


async def test_a_newer_store_is_refused(tmp_path):
    """A downgrade would not understand what it holds; the message says what to do."""
    async with opened(tmp_path / "store.db") as store:
        await sql(store, "PRAGMA user_version = 99")

    with pytest.raises(StoreRefused, match=r"newer edge-relay \(store version 99, this program knows 1\)"):
        await open_connection(tmp_path / "store.db")


async def test_the_database_of_another_program_is_refused(tmp_path):
    """And left as it was."""
    path = tmp_path / "store.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE wine (name TEXT)")
    other.close()
    before = path.read_bytes()

    with pytest.raises(StoreRefused, match="another program"):
        await open_connection(path)
    assert path.read_bytes() == before


async def test_what_cannot_be_opened_is_refused_with_the_remedy(tmp_path):
    """The message names the file and what to do."""
    path = tmp_path / "missing" / "store.db"

    with pytest.raises(StoreRefused, match="folder must exist") as caught:
        await open_connection(path)
    assert str(path) in str(caught.value)


async def test_migrations_go_on_from_where_a_store_is(tmp_path):
    """Each step once, in order, the version with it."""
    steps = [*STEPS, "CREATE TABLE second (x);", "ALTER TABLE second ADD COLUMN y;"]
    async with connected(tmp_path / "store.db") as connection:
        await migrate(connection, tmp_path / "store.db", steps[:2])
        await migrate(connection, tmp_path / "store.db", steps)
        await migrate(connection, tmp_path / "store.db", steps)

        assert await version_and_columns(connection) == (3, ["x", "y"])


async def test_a_migration_that_fails_leaves_the_version_before(tmp_path):
    """All of a step or nothing of it; the steps before it stay."""
    steps = [
        *STEPS,
        "CREATE TABLE second (x);",
        "ALTER TABLE second ADD COLUMN y; INSERT INTO nowhere VALUES (1);",
    ]
    async with connected(tmp_path / "store.db") as connection:
        with pytest.raises(sqlite3.OperationalError):
            await migrate(connection, tmp_path / "store.db", steps)

        assert await version_and_columns(connection) == (2, ["x"])


@asynccontextmanager
async def connected(path):
    connection = await open_connection(path)
    try:
        yield connection
    finally:
        await connection.close()


async def version_and_columns(connection):
    [(version,)] = await connection.execute_fetchall("PRAGMA user_version")
    columns = await connection.execute_fetchall("SELECT name FROM pragma_table_info('second')")
    return version, [name for (name,) in columns]


async def test_closing_twice_is_once(tmp_path):
    """And what comes after is refused, not lost in silence."""
    async with opened(tmp_path / "store.db") as store:
        await store.close()
    assert not (tmp_path / "store.db-wal").exists()
    assert "is closed" in store.unavailable
