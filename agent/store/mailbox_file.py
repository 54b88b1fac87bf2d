"""The mailbox's file: opened with the care of the store, and made anew of what can be read when it is damaged.

Rules for whoever changes this: as in `rescue`, the damaged file keeps its place until the new one is complete,
and is moved aside, never deleted. Numbers and epochs are kept: the plant goes on where it was.
"""

import logging
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

import aiosqlite

from agent.clock import Clock
from agent.errors import StoreDamaged
from agent.model import SECOND
from agent.store.mailbox_rows import Message, checksum_of
from agent.store.opening import Kind, open_connection
from agent.store.rescue import beside, in_thread, switch, tidy
from agent.store.wreck import Row, Wreck

_log = logging.getLogger(__name__)

_STEPS: Final = (files("agent.store").joinpath("mailbox.sql").read_text(encoding="utf-8"),)
MAILBOX: Final = Kind(0x45524D42, frozenset({"channel", "run", "message"}), _STEPS)
_COLUMNS: Final = "seq, channel, number, total, size, received, id, checksum, headers, body"
_CHANNELS: Final = "SELECT id, name, newest, total, acknowledged FROM channel"
_NUMBERS: Final = (1 << 63) - 1
_TYPES: Final = (int, int, int, int, int, int, str, int, bytes, bytes)
_CHANNEL_TYPES: Final = (int, str, int, int, int)
_RUNS: Final = "SELECT channel, first, epoch, name FROM run"
_RUN_TYPES: Final = (int, int, str, str)
# A channel whose row is damaged: as far as it is known by its messages; its numbers go on in another run.
_KNOWN_AGAIN: Final = """
INSERT OR IGNORE INTO channel
SELECT run.channel, run.name, max(number), max(message.total), 0 FROM run JOIN message USING (channel)
WHERE run.first = 0 GROUP BY run.channel
"""


async def open_mailbox(path: Path, clock: Clock) -> aiosqlite.Connection:
    """Open or make it.

    Raises:
        StoreRefused: the file cannot be opened, the message says why.
    """
    damage = f"the store {path} was found damaged" if await tidy(path) else ""
    if not damage:
        try:
            return await open_connection(path, MAILBOX)
        except StoreDamaged as error:
            damage = str(error)
    _log.error("%s; what can be read of it is salvaged", damage)
    await in_thread(path, lambda: _salvage(path, clock))
    return await open_connection(path, MAILBOX)


def _salvage(path: Path, clock: Clock) -> None:
    target = beside(path, ".salvage")
    target.unlink(missing_ok=True)
    wreck = Wreck(path)
    connection = sqlite3.connect(target)
    try:
        connection.executescript(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = FULL;"
            f"{_STEPS[0]}\nPRAGMA user_version = {len(_STEPS)};"
        )
        saved = _copy(wreck, connection)
        connection.commit()
    finally:
        connection.close()
        wreck.close()
    complete = beside(path, ".salvaged")
    target.replace(complete)
    stamp = f"{datetime.fromtimestamp(clock.wall() // SECOND, UTC):%Y%m%dT%H%M%SZ}"
    switch(path, complete, stamp)
    _log.error("the store begins anew with %d messages; the old file is %s.damaged-%s", saved, path, stamp)


def _copy(wreck: Wreck, connection: sqlite3.Connection) -> int:
    channels = [row for row in wreck.all(_CHANNELS) if _is(row, _CHANNEL_TYPES)]
    connection.executemany("INSERT OR IGNORE INTO channel VALUES (?, ?, ?, ?, ?)", channels)
    runs = [row for row in wreck.all(_RUNS) if _is(row, _RUN_TYPES)]
    connection.executemany("INSERT OR IGNORE INTO run VALUES (?, ?, ?, ?)", runs)
    newest = {row[0]: _NUMBERS for row in runs} | {row[0]: row[2] for row in channels}
    saved = 0
    for row in wreck.numbered("message", _COLUMNS, "1", 1, wreck.last("message", "1")):
        if _is(row, _TYPES) and _sound(row, newest):
            connection.execute("INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            saved += 1
    connection.execute(_KNOWN_AGAIN)
    return saved


def _is(row: Row, types: tuple[type, ...]) -> bool:
    return len(row) == len(types) and all(map(isinstance, row, types))


def _sound(row: Row, newest: Mapping[int, int]) -> bool:
    """It is what its sender posted, and stands where it was put; `newest` of each channel that is known."""
    _, channel, number, _, _, received, name, checksum, headers, body = row
    if number > newest.get(channel, 0):
        return False
    return bool(checksum_of(Message(name, received, headers, body)) == checksum)
