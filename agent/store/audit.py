"""The audit: what was asked of machines and alarms by messages that came in, and what became of it.

Rules for whoever changes this: a line is there before a machine is touched, and says what became of it
after; lines go by age alone, and only by a clock that is believed: who asks what was done must find it.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import aiosqlite
import orjson

from agent.model import SECOND
from agent.stamps import Reckoning, Standing
from agent.store.messages import Audited, AuditFilter, InboxChange
from agent.store.turns import Turns

ROOM: Final = 64_000_000
"""Bytes; when they are used up, nothing is written to a machine."""
_KEPT_FOR: Final = 400 * 86_400 * SECOND
_ROW: Final = 120
_BITE: Final = 500
_PUT: Final = (
    "INSERT INTO audit (key, at_wall, relay, identity, sender, action, target, old, new, outcome, reason, count) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET identity = excluded.identity, old = excluded.old, "
    "new = excluded.new, outcome = excluded.outcome, reason = excluded.reason, count = excluded.count, "
    "at_wall = iif(excluded.count > 1, excluded.at_wall, at_wall)"
)
_FORGET: Final = f"DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE at_wall < ? ORDER BY at_wall LIMIT {_BITE})"
_COLUMNS: Final = (
    "key, at_wall, relay, identity, sender, action, target, old, new, outcome, reason, count, number"
)
_SIZE: Final = (
    "SELECT count(*), coalesce(sum(length(relay) + length(identity) + length(sender) + length(action) + "
    "length(target) + coalesce(length(old), 0) + coalesce(length(new), 0) + length(outcome) + length(reason)), 0) FROM audit"
)

Row: TypeAlias = Sequence[Any]


async def write_audit(connection: aiosqlite.Connection, entries: Sequence[Audited]) -> None:
    """Put lines into the transaction under way, or what became of them.

    Raises:
        sqlite3.Error: see the writer.
    """
    if entries:
        await connection.executemany(_PUT, [_row(entry) for entry in entries])


def _row(entry: Audited) -> Row:
    old, new = (None if value is None else orjson.dumps(value).decode() for value in (entry.old, entry.new))
    return (
        *(entry.key, entry.at_wall, entry.relay, entry.identity, entry.sender, entry.action, entry.target),
        *(old, new, entry.outcome, entry.reason, entry.count),
    )


def _entry(row: Row) -> Audited:
    key, at, relay, identity, sender, action, target, old, new, outcome, reason, count, number = row
    old, new = (None if text is None else orjson.loads(text) for text in (old, new))
    return Audited(
        *(bytes(key), at, relay, identity, sender, action, target, old, new, outcome, reason, count, number)
    )


class Audit:
    """What is asked of the audit; each coroutine raises StoreUnavailable when SQLite says no.

    Attributes:
        size: bytes that it takes, about.
    """

    def __init__(self, turns: Turns) -> None:
        self.size = 0
        self._turns = turns

    @property
    def full(self) -> bool:
        """There is no room for one more line: nothing may be written to a machine."""
        return self.size >= ROOM

    def noted(self, changes: Collection[InboxChange]) -> None:
        """These are on disk; a line that counts one more refusal takes no more room than it did."""
        for entry in changes:
            if isinstance(entry, Audited) and entry.count == 1:
                self.size += _ROW + sum(len(text) for text in _row(entry) if isinstance(text, str))

    async def newest(self, wanted: AuditFilter, limit: int) -> list[Audited]:
        """The newest lines that are wanted, oldest first."""
        return await self._read(
            f"SELECT {_COLUMNS} FROM audit WHERE (?1 IS NULL OR at_wall >= ?1) AND (?2 IS NULL OR target = ?2) "
            "AND (?3 IS NULL OR outcome = ?3) ORDER BY number DESC LIMIT ?4",
            (wanted.since_wall, wanted.target, wanted.outcome, limit),
        )

    async def one(self, key: bytes) -> Audited | None:
        """One line."""
        found = await self._read(f"SELECT {_COLUMNS} FROM audit WHERE key = ?", (key,))
        return found[0] if found else None

    async def prune(self, now: int, clock: Reckoning) -> None:
        """Let go of what is older than 400 days, if the clock is believed."""
        if clock.standing is not Standing.TRUSTED:
            return
        before = now + clock.offset - _KEPT_FOR

        async def bite() -> int:
            gone = (await self._turns.connection.execute(_FORGET, (before,))).rowcount
            await self._turns.connection.commit()
            return gone

        all_gone = 0
        while gone := await self._turns.run(bite):
            all_gone += gone
        if all_gone:
            self.size = await self._turns.run(lambda: audit_size(self._turns.connection))

    async def _read(self, statement: str, parameters: Row) -> list[Audited]:
        """Read the newest first, and give them in their order."""

        async def work() -> list[Audited]:
            rows = list(await self._turns.connection.execute_fetchall(statement, parameters))
            return [_entry(row) for row in reversed(rows)]

        return await self._turns.run(work)


async def audit_size(connection: aiosqlite.Connection) -> int:
    """Bytes that the audit takes, about.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    [(count, letters)] = await connection.execute_fetchall(_SIZE)
    return int(count * _ROW + letters)
