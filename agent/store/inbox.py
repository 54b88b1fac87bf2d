"""Messages that came in: written with the steps of the pipeline, and remembered.

A message is taken once: its row is there before its relay is told so, and remembered for 30 days after,
by a key made of what its sender has signed. What is forgotten leaves a horizon behind: the newest stamp
among all that was forgotten. What is not newer may have been seen, whatever any clock says.

Rules for whoever changes this: nothing here decides; rows go into the transaction of the step that they
belong to, or not at all; a row whose checksum is wrong asks for nothing any more.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias
from zlib import crc32

import aiosqlite
import orjson

from agent.model import SECOND
from agent.store.audit import write_audit
from agent.store.messages import (
    HORIZON,
    Audited,
    InboxChange,
    Message,
    MessageState,
    Received,
    Settled,
)
from agent.store.turns import Turns

REMEMBERED: Final = 33 * 86_400 * SECOND
"""How long a key is kept: what is older than 30 days is refused, and clocks may differ by some."""
_MOST_KEPT: Final = 1_000_000
_BITE: Final = 2_000

_TAKE: Final = (
    "INSERT INTO inbox (key, relay, identity, type, sender, stamp, at_wall, route, state, seq, outcome, reason, body, checksum) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SETTLE: Final = (
    "UPDATE inbox SET state = ?1, outcome = ?2, reason = ?3, body = iif(?1 = 3, NULL, body), "
    "checksum = iif(?1 = 3, 0, checksum) WHERE key = ?4"
)
_COLUMNS: Final = "number, key, relay, identity, type, sender, stamp, at_wall, route, state, seq, outcome, reason, body, checksum"
_FAILED: Final = "inbox.outcome = 'failed' AND inbox.seq IS NOT NULL"
_DELIVERY: Final = (
    "delivery ON delivery.seq = inbox.seq AND delivery.destination = "
    "(SELECT id FROM destination WHERE name = inbox.relay || '/' || inbox.route)"
)
_ENDS: Final = (
    f"{', '.join(f'inbox.{name}' for name in _COLUMNS.split(', '))}, delivery.state, delivery.reason"
)
GONE: Final = "it was given up for want of room, or lost with a damaged store"
"""Why a message did not arrive whose event is in the store no more."""
Row: TypeAlias = Sequence[Any]


async def write_inbox(connection: aiosqlite.Connection, changes: Sequence[tuple[InboxChange, int]]) -> None:
    """Put changes into the transaction under way; beside each, the number of its step's first event.

    Raises:
        sqlite3.Error: see the writer.
    """
    # All of a kind at once, each call is a hop between threads; nothing is settled before it is taken.
    taken = [_row(change, first) for change, first in changes if isinstance(change, Received)]
    settled = [
        (int(change.state), change.outcome, change.reason, change.key)
        for change, _ in changes
        if isinstance(change, Settled)
    ]
    if taken:
        await connection.executemany(_TAKE, taken)
    if settled:
        await connection.executemany(_SETTLE, settled)
    await write_audit(connection, [change for change, _ in changes if isinstance(change, Audited)])


def _row(taken: Received, first: int) -> Row:
    seq = None if taken.event is None else first + taken.event
    kept = (taken.key, taken.relay, taken.identity, taken.type, taken.sender, taken.stamp, taken.at_wall)
    body = taken.body if taken.state in (MessageState.WAITING, MessageState.ACTING) else None
    crc = 0 if taken.state is MessageState.SETTLED else _crc(taken.key, taken.relay, taken.route, body)
    return (*kept, taken.route, int(taken.state), seq, taken.outcome, taken.reason, body, crc)


def _crc(key: bytes, relay: str, route: str, body: bytes | None) -> int:
    return crc32(body or b"", crc32(f"{relay}\0{route}\0".encode(), crc32(key)))


def _message(row: Row) -> Message:
    number, key, relay, identity, kind, sender, stamp, at, route, state, seq, outcome, reason, body, crc = row
    sound = state == MessageState.SETTLED or crc == _crc(key, relay, route, body)
    return Message(
        number,
        Received(
            *(bytes(key), relay, identity, kind, sender, stamp, at, route, MessageState(state)),
            outcome=outcome,
            reason=reason,
            body=None if body is None else bytes(body),
        ),
        seq,
        sound=sound,
    )


class Inbox:
    """What is asked of the inbox; each coroutine raises StoreUnavailable when SQLite says no.

    Attributes:
        horizon: the newest stamp among all messages that are forgotten, seconds UTC; 0: none is.
    """

    def __init__(self, turns: Turns) -> None:
        self.horizon = 0
        self._turns = turns

    async def known(self, keys: Collection[bytes]) -> dict[bytes, Message]:
        """Those of the keys that were seen."""
        places = ", ".join("?" * len(keys))
        rows = await self._read(f"SELECT {_COLUMNS} FROM inbox WHERE key IN ({places})", tuple(keys))
        return {message.received.key: message for message in map(_message, rows)}

    async def unsettled(self) -> list[Message]:
        """What is to be acted on, or was begun, in the order in which it came."""
        rows = await self._read(
            f"SELECT {_COLUMNS} FROM inbox INDEXED BY inbox_open WHERE state < 2 ORDER BY number"
        )
        return [_message(row) for row in rows]

    async def sent(self, seqs: Collection[int]) -> dict[int, Message]:
        """The messages that events carry, by the events' numbers; of those that have not arrived."""
        numbers = "seq IN (SELECT value FROM json_each(?1))"
        rows = await self._read(
            f"SELECT {_COLUMNS} FROM inbox INDEXED BY inbox_sent WHERE state = 2 AND {numbers} UNION ALL "
            f"SELECT {_COLUMNS} FROM inbox INDEXED BY inbox_failed WHERE {_FAILED} AND {numbers}",
            (orjson.dumps(list(seqs)).decode(),),
        )
        return {message.seq: message for message in map(_message, rows) if message.seq is not None}

    async def unreported(self, limit: int = _BITE) -> list[tuple[Message, bool, str]]:
        """Messages whose event has come to an end that was not reported: whether it arrived, and why not.

        Also of those that had failed, and were sent again by hand.
        """
        rows = await self._read(
            f"SELECT {_ENDS} FROM inbox INDEXED BY inbox_sent LEFT JOIN {_DELIVERY} "
            "WHERE inbox.state = 2 AND (delivery.state IS NULL OR delivery.state != 0) UNION ALL "
            f"SELECT {_ENDS} FROM inbox INDEXED BY inbox_failed JOIN {_DELIVERY} "
            f"WHERE {_FAILED} AND delivery.state = 1 LIMIT ?",
            (limit,),
        )
        return [(_message(row[:-2]), row[-2] == 1, GONE if row[-2] is None else row[-1]) for row in rows]

    async def newest(self, limit: int) -> list[Message]:
        """The newest messages, oldest first."""
        rows = await self._read(f"SELECT {_COLUMNS} FROM inbox ORDER BY number DESC LIMIT ?", (limit,))
        return [_message(row) for row in reversed(rows)]

    async def prune(self, wall: int) -> None:
        """Forget what is old, and as much as there is no room for; `wall` is nanoseconds UTC."""

        async def work() -> int:
            horizon = await _forget(self._turns.connection, wall - REMEMBERED)
            await self._turns.connection.commit()
            return horizon

        self.horizon = await self._turns.run(work)

    async def _read(self, statement: str, parameters: Row = ()) -> list[Row]:
        async def work() -> list[Row]:
            return [
                tuple(row) for row in await self._turns.connection.execute_fetchall(statement, parameters)
            ]

        return await self._turns.run(work)


async def _forget(connection: aiosqlite.Connection, before_wall: int) -> int:
    """Delete a bite of settled messages; the horizon afterwards."""
    [(count, oldest)] = await connection.execute_fetchall(
        "SELECT (SELECT max(number) FROM inbox) - (SELECT min(number) FROM inbox), (SELECT min(number) FROM inbox)"
    )
    surplus = (oldest or 0) + max(0, (count or 0) - _MOST_KEPT)
    going = (
        "SELECT number FROM inbox WHERE number < (SELECT min(number) FROM inbox) + ?1 AND state = 3 "
        "AND (at_wall < ?2 OR number < ?3)"
    )
    parameters = (_BITE, before_wall, surplus)
    await connection.execute(
        "INSERT INTO meta SELECT ?4, coalesce(max(stamp), 0) FROM inbox "
        f"WHERE number IN ({going}) "
        "ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        (*parameters, HORIZON),
    )
    await connection.execute(f"DELETE FROM inbox WHERE number IN ({going})", parameters)
    return await horizon_of(connection)


async def horizon_of(connection: aiosqlite.Connection) -> int:
    """See `Inbox.horizon`.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    rows = list(await connection.execute_fetchall("SELECT value FROM meta WHERE key = ?", (HORIZON,)))
    return int(rows[0][0]) if rows else 0
