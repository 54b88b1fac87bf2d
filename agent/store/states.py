"""Serialised rule state by key. A damaged one is left out, and said so: its rule starts anew."""

import logging
from collections.abc import Mapping
from typing import Final
from zlib import crc32

import aiosqlite

_PUT: Final = (
    "INSERT INTO state VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, checksum = excluded.checksum"
)
_DELETE: Final = "DELETE FROM state WHERE key = ?"

_GET: Final = "SELECT value, checksum FROM state WHERE key = ?"

_log = logging.getLogger(__name__)


async def write_states(connection: aiosqlite.Connection, states: Mapping[str, bytes | None]) -> None:
    """Put states into the transaction under way; None deletes.

    Raises:
        sqlite3.Error: see the writer.
    """
    put = [(key, value, checksum_of(key, value)) for key, value in states.items() if value is not None]
    if put:
        await connection.executemany(_PUT, put)
    if len(put) < len(states):
        await connection.executemany(_DELETE, [(key,) for key, value in states.items() if value is None])


async def read_states(connection: aiosqlite.Connection) -> dict[str, bytes]:
    """Every state that is as it was written.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    states: dict[str, bytes] = {}
    for key, value, checksum in await connection.execute_fetchall("SELECT key, value, checksum FROM state"):
        if checksum_of(key, value) == checksum:
            states[key] = value
        else:
            _log.error("the stored state %s is damaged: it begins anew; see to the disk (dmesg)", key)
    return states


async def read_state(connection: aiosqlite.Connection, wanted: str) -> bytes | None:
    """One state; None when there is none, or it is damaged.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    for value, checksum in await connection.execute_fetchall(_GET, (wanted,)):
        if checksum_of(wanted, value) == checksum:
            return bytes(value)
        _log.error("the stored state %s is damaged: it begins anew; see to the disk (dmesg)", wanted)
    return None


def checksum_of(key: str, value: bytes) -> int:
    """CRC-32 over both."""
    return crc32(value, crc32(key.encode()))
