"""Messages that came in: written with the steps of the pipeline, and remembered.

A message is taken once: its row is there before its relay is told so, and remembered for 30 days after,
by a key made of what its sender has signed. What was acted on and is forgotten leaves a horizon behind: the
newest stamp among it. What is not newer may have been done, whatever any clock says.

Rules for whoever changes this: nothing here decides; rows go into the transaction of the step that they
belong to, or not at all; a row whose checksum is wrong asks for nothing any more.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Collection, Sequence
from functools import partial
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
_ROOM_FOR_ONE: Final = 2_000
"""One message is remembered for so many bytes of the store; its row takes 200 to 700."""
_BITE: Final = 500
_AMONG: Final = "number IN (SELECT value FROM json_each(?1))"

_TAKE: Final = (
    "INSERT INTO inbox (key, relay, identity, type, sender, stamp, at_wall, route, state, seq, outcome, reason, body, checksum) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_JUDGE_ANEW: Final = "DELETE FROM inbox WHERE key = ? AND state = 3 AND outcome = 'rejected'"
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
    again = [(change.key,) for change, _ in changes if isinstance(change, Received) and change.again]
    settled = [
        (int(change.state), change.outcome, change.reason, change.key)
        for change, _ in changes
        if isinstance(change, Settled)
    ]
    if again:
        await connection.executemany(_JUDGE_ANEW, again)
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
        horizon: the newest stamp among all messages that were acted on and are forgotten, seconds UTC; 0: none is.
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

    async def prune(self, wall: int, room: int = _MOST_KEPT * _ROOM_FOR_ONE) -> None:
        """Forget what is old, and what there is no room for, in bites; nothing is written while nothing goes.

        Args:
            wall: now, nanoseconds UTC.
            room: bytes of the store; what is only remembered takes a small part of it.
        """
        most = min(_MOST_KEPT, room // _ROOM_FOR_ONE)
        after: int | None = 0
        while after is not None:
            forget = partial(_forget, self._turns.connection, wall - REMEMBERED, most, after)
            after, self.horizon = await self._turns.run(forget)

    async def _read(self, statement: str, parameters: Row = ()) -> list[Row]:
        async def work() -> list[Row]:
            return [
                tuple(row) for row in await self._turns.connection.execute_fetchall(statement, parameters)
            ]

        return await self._turns.run(work)


async def _forget(
    connection: aiosqlite.Connection, before_wall: int, most: int, after: int
) -> tuple[int | None, int]:
    """Delete of a bite above `after` what is settled and goes; where to go on (None: that is all), and the horizon.

    What was refused, or sent on, leaves no horizon behind: nothing of it was done that must not be done twice.
    Its stamp may be any: one message from the year 9999 would have all that follow refused.
    """
    bite = f"SELECT number, state, at_wall FROM inbox WHERE number > ? ORDER BY number LIMIT {_BITE}"
    rows = list(await connection.execute_fetchall(bite, (after,)))
    [(newest,)] = await connection.execute_fetchall("SELECT max(number) FROM inbox")
    settled = [(number, at) for number, state, at in rows if state == MessageState.SETTLED]
    going = [number for number, at in settled if at < before_wall or number <= newest - most]
    if going:
        numbers = (orjson.dumps(going).decode(),)
        await connection.execute(
            f"INSERT INTO meta SELECT '{HORIZON}', coalesce(max(stamp), 0) FROM inbox "
            f"WHERE {_AMONG} AND seq IS NULL AND outcome != 'rejected' "
            "ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
            numbers,
        )
        await connection.execute(f"DELETE FROM inbox WHERE {_AMONG}", numbers)
        await connection.commit()
    # Time and numbers rise together, but for a clock that was set; what is not settled yet may be of any age.
    more = bool(rows) and (bool(going) or not settled)
    return rows[-1][0] if more else None, await horizon_of(connection)


async def horizon_of(connection: aiosqlite.Connection) -> int:
    """See `Inbox.horizon`.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    rows = list(await connection.execute_fetchall("SELECT value FROM meta WHERE key = ?", (HORIZON,)))
    return int(rows[0][0]) if rows else 0
