"""Messages that came in, and the audit, out of a damaged file into a new one.

Rules for whoever changes this: what cannot be read may have been seen. So nothing that was signed before
this day moves a machine any more (the horizon); what was begun stays begun, so that nobody repeats it.
"""

# ruff: noqa: S608 - statements are put together from constants

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from agent.model import SECOND
from agent.store.messages import HORIZON
from agent.store.wreck import Row, Wreck

_BITE: Final = 1_000
_TABLES: Final = {
    "inbox": "number, key, relay, identity, type, sender, stamp, at_wall, route, state, seq, outcome, reason, body, checksum",
    "audit": "number, key, at_wall, relay, identity, sender, action, target, old, new, outcome, reason, count",
}
_RENUMBER: Final = "UPDATE inbox SET seq = seq + ?1 WHERE seq IS NOT NULL AND EXISTS (SELECT 1 FROM event WHERE seq = inbox.seq + ?1)"


def bring_messages(wreck: Wreck, target: sqlite3.Connection, last: int, wall: int) -> None:
    """Take over what can be read, from both ends; events that wait were moved up by `last`.

    Raises:
        sqlite3.Error: the new file cannot be written.
    """
    for table, columns in _TABLES.items():
        put = (
            f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({', '.join('?' * len(columns.split(', ')))})"
        )
        reached = 0
        for row in _rows(wreck, table, columns):
            reached = row[0]
            _put(target, put, row)
        for row in _rows(wreck, table, columns, backwards=True):
            if row[0] <= reached:
                break
            _put(target, put, row)
    target.execute(_RENUMBER, (last,))
    known = [row[0] for row in wreck.all("SELECT value FROM meta WHERE key = ?", (HORIZON,))]
    before = max((int(value) for value in known if str(value).isdecimal()), default=0)
    target.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (HORIZON, str(max(before, wall // SECOND))))


def _rows(wreck: Wreck, table: str, columns: str, *, backwards: bool = False) -> Iterator[Row]:
    """Rows from one end to the first place that cannot be read; in bites, for there may be a million."""
    at, beyond, order = (2**63 - 1, "<", "DESC") if backwards else (-1, ">", "ASC")
    select = f"SELECT {columns} FROM {table} NOT INDEXED WHERE number {beyond} ? ORDER BY number {order} LIMIT {_BITE}"
    while rows := wreck.all(select, (at,)):
        yield from rows
        before, at = at, rows[-1][0]
        if at == before or (at < before) is not backwards:  # a number that is damaged itself
            return


def _put(target: sqlite3.Connection, put: str, row: Row) -> None:
    with suppress(sqlite3.IntegrityError):  # a value of another kind: it was damaged
        target.execute(put, row)
