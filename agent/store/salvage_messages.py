"""Messages that came in, and the audit, out of a damaged file into a new one.

Rules for whoever changes this: what cannot be read may have been seen. So nothing that was signed before
this day moves a machine any more (the horizon); what was begun stays begun, so that nobody repeats it.
"""

# ruff: noqa: S608 - statements are put together from constants

import sqlite3
from contextlib import suppress
from typing import Final

from agent.model import SECOND
from agent.store.messages import HORIZON
from agent.store.wreck import Wreck

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
        for order in ("ASC", "DESC"):
            for row in wreck.all(f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY number {order}"):
                with suppress(sqlite3.IntegrityError):  # a value of another kind: it was damaged
                    target.execute(put, row)
    target.execute(_RENUMBER, (last,))
    known = [row[0] for row in wreck.all("SELECT value FROM meta WHERE key = ?", (HORIZON,))]
    before = max((int(value) for value in known if str(value).isdecimal()), default=0)
    target.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (HORIZON, str(max(before, wall // SECOND))))
