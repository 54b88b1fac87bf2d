"""Opens the store's file so that what it promises is true, or says why not.

Rules: ONE connection in ONE thread. The SQLite of Debian 12 (3.40.1) can corrupt a WAL that two
connections write (fixed in 3.51.3), so the lock is exclusive from the first read on, and nothing is
mapped into memory. `synchronous` is read back: NORMAL lost acknowledged rows in 70 % of all crash
states. The order of the pragmas matters, each says why.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiosqlite

from agent.errors import StoreDamaged, StoreRefused
from agent.store.failures import explain, is_damage
from agent.store.migrations import STEPS, migrate

WAL_BYTES: Final = 4 * 1024 * 1024
_PAGE_BYTES: Final = 4096
_FULL: Final = 2
# Page size, reserved space and fractions, schema format, UTF-8 (sqlite.org/fileformat2.html, "The Database Header").
_FIXED: Final = (b"\x10\0", b"\0\x40\x20\x20", b"\0\0\0\x04", b"\0\0\0\x01")
_SMALL: Final = 32_000_000  # bytes: 0.1 s
_SMALLEST: Final = 8_000_000  # bytes: 0.1 s, with the indexes
_BUSY_SECONDS: Final = 1.0

# Before the first read: opens on a full disk (no -shm file) and refuses a second process.
_LOCK: Final = "PRAGMA locking_mode = EXCLUSIVE"
# Before the first table, and before WAL writes the header: what pruning frees goes back to the disk. Only
# then: in an existing file it writes, and a full disk would refuse the start.
_RETURN_SPACE: Final = "PRAGMA auto_vacuum = INCREMENTAL"
_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "mmap_size = 0",
    # The upper bound; the writer checkpoints when idle. A low page count costs half the speed on slow flash.
    f"wal_autocheckpoint = {WAL_BYTES // _PAGE_BYTES}",
    f"journal_size_limit = {WAL_BYTES}",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What tells one of our files from another program's.

    Attributes:
        application_id: stands in its header.
        tables: some that it always has: by them it is known when its first page is damaged.
        steps: what made it, see `migrations`.
    """

    application_id: int
    tables: Collection[str]
    steps: Sequence[str]


EVENTS: Final = Kind(0x45524C59, frozenset({"event", "delivery", "destination", "meta"}), STEPS)
"""The agent's own store."""


async def open_connection(path: Path, kind: Kind = EVENTS) -> aiosqlite.Connection:
    """Open or make the store at `path`, bring it to today's version.

    Raises:
        StoreRefused: in use by another process, written by a newer program, another program's
            file, or not writable; the message says which.
        StoreDamaged: it is no store, or none any more.
    """
    # Asked before, because a thread of aiosqlite that could not connect dies later than its loop.
    if not os.access(path if os.access(path, os.F_OK) else path.parent, os.R_OK | os.W_OK):
        raise StoreRefused(
            f"the store {path} cannot be opened: its folder must exist, and both must be writable for "
            "the user that edge-relay runs as"
        )
    header_is_sound(path, kind)
    try:
        connection = await aiosqlite.connect(path, timeout=_BUSY_SECONDS)
    except (sqlite3.Error, OSError) as error:
        raise StoreRefused(explain(path, error)) from error
    async with closed_on_error(connection, path):
        await _prepare(connection, path, kind)
        await migrate(connection, path, kind.steps)
    return connection


@asynccontextmanager
async def closed_on_error(connection: aiosqlite.Connection, path: Path) -> AsyncIterator[None]:
    """Let go of the file when opening it comes to nothing.

    Raises:
        StoreRefused: in place of what SQLite said.
        StoreDamaged: what it said is that the file is damaged.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        await connection.close()
        refused = StoreDamaged if is_damage(error) else StoreRefused
        raise refused(explain(path, error)) from error
    except UnicodeDecodeError as error:  # what SQLite says quotes the schema, which is no text any more
        await connection.close()
        raise StoreDamaged(f"the store {path} is damaged: its schema cannot be read") from error
    except BaseException:
        await connection.close()
        raise


def header_is_sound(path: Path, kind: Kind = EVENTS) -> None:
    """SQLite takes a flipped bit in the header for a choice: read-only, another encoding, an older format.

    Raises:
        StoreDamaged: it is ours, and not as we write it.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        header = file.read(100)
    ours = header[68:72] == kind.application_id.to_bytes(4, "big")
    fixed = (header[16:18], header[20:24], header[44:48], header[56:60])
    if ours and (fixed != _FIXED or not {header[18], header[19]} <= {1, 2} or header[60:62] != b"\0\0"):
        raise StoreDamaged(f"the store {path} is damaged: its first page is not as it was")


async def _prepare(connection: aiosqlite.Connection, path: Path, kind: Kind) -> None:
    # A flipped bit may make a text no UTF-8: it has to reach the checksum, not fail the whole query.
    connection.text_factory = _lenient_text
    await connection.execute_fetchall(_LOCK)
    tables = await connection.execute_fetchall("SELECT name FROM sqlite_schema")
    await _look_for_damage(connection, path)
    [(application_id,)] = await connection.execute_fetchall("PRAGMA application_id")
    if application_id != kind.application_id and {name for (name,) in tables} >= set(kind.tables):
        raise StoreDamaged(f"the store {path} is damaged: its first page is not as it was")
    if application_id != kind.application_id and tables:
        raise StoreRefused(
            f"{path} is the database of another program: move it aside, or set another data_dir"
        )
    if not tables:
        await connection.execute_fetchall(_RETURN_SPACE)
    for pragma in _PRAGMAS:
        await connection.execute_fetchall(f"PRAGMA {pragma}")
    for pragma, wanted in (("locking_mode", "exclusive"), ("journal_mode", "wal"), ("synchronous", _FULL)):
        [(value,)] = await connection.execute_fetchall(f"PRAGMA {pragma}")
        if value != wanted:
            raise StoreRefused(
                f"the store {path} would lose events in a power cut: PRAGMA {pragma} is {value}, not {wanted}; "
                "put data_dir on a local disk"
            )


async def _look_for_damage(connection: aiosqlite.Connection, path: Path) -> None:
    """What is small is read whole: better found now than when it is needed. What is large takes too long.

    What waits is read by an index: a row that is damaged there would never be sent, and nothing would tell.
    """
    [(pages,)] = await connection.execute_fetchall("PRAGMA page_count")
    if (size := pages * _PAGE_BYTES) <= _SMALL:
        look = "integrity_check" if size <= _SMALLEST else "quick_check"
        [(verdict,)] = await connection.execute_fetchall(f"PRAGMA {look}(1)")
        if verdict != "ok":
            raise StoreDamaged(f"the store {path} is damaged: {verdict}")


def _lenient_text(raw: bytes) -> str:
    return raw.decode(errors="replace")
