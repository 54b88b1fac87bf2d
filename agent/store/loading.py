"""From a path to an open store: what it knows of itself, or, if it is damaged, what can be saved of it."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

import aiosqlite

from agent.clock import Clock
from agent.errors import StoreDamaged
from agent.store import stamping
from agent.store.counters import Counters
from agent.store.failures import explain
from agent.store.opening import closed_on_error, open_connection
from agent.store.rescue import rescue, tidy
from agent.store.states import read_state


class Loaded(NamedTuple):
    """An open store: its connection, its epoch, what it counts, and the corrections of stamps."""

    connection: aiosqlite.Connection
    epoch: str
    counters: Counters
    stamps: bytes | None


async def open_or_rescue(path: Path, clock: Clock) -> Loaded:
    """Open or make the store at `path`; a damaged one is moved aside and what can be read is brought over.

    Raises:
        StoreRefused: in use, from a newer program, another's, not writable: the message says which.
    """
    suspected = await tidy(path)
    try:
        loaded = await _load(path)
        if not suspected:
            return loaded
        await loaded.connection.close()
        reason = f"the store {path} was found damaged by the last run"
    except StoreDamaged as error:
        reason = str(error)
    await rescue(path, reason, clock)
    return await _load(path)


async def _load(path: Path) -> Loaded:
    connection = await open_connection(path)
    async with closed_on_error(connection, path):
        try:
            return await _read(connection, path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a table or a column has another name
                raise StoreDamaged(explain(path, error)) from error
            raise


async def _read(connection: aiosqlite.Connection, path: Path) -> Loaded:
    counters = Counters()
    rows = list(await connection.execute_fetchall("SELECT value FROM meta WHERE key = 'epoch'"))
    if not rows:
        raise StoreDamaged(f"the store {path} is damaged: it does not know its epoch")
    await counters.load(connection)
    return Loaded(connection, rows[0][0], counters, await read_state(connection, stamping.KEY))
