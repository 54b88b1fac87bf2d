"""What ended without a 2xx, until a person sends it again or drops it.

Rules: walked in bites, so that a million of them hold up no commit; a resent letter keeps its event's
id and its attempts; a dropped one stays listed until its event is pruned.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import aiosqlite

from agent.store.counters import Counters
from agent.store.orders import Stretch, Tally, Walked
from agent.store.patterns import ESCAPE, beginning, whole
from agent.store.queries import STATUS_COLUMNS, read_status
from agent.store.records import Attempt, DeadLetter, Delivery, Selection
from agent.store.rows import EVENT_COLUMNS, decode_event
from agent.store.turns import Turns

BITE: Final = 500
_LAST: Final = 2**63 - 1
_FLOOR: Final = (
    "SELECT min(seq) FROM (SELECT seq FROM delivery INDEXED BY delivery_dead "
    f"WHERE state = 2 AND seq <= ? ORDER BY seq DESC LIMIT {BITE})"
)
_CEILING: Final = (
    "SELECT max(seq) FROM (SELECT seq FROM delivery INDEXED BY delivery_dead "
    f"WHERE state = 2 AND seq >= ? ORDER BY seq LIMIT {BITE})"
)
_LETTERS: Final = (
    f"SELECT delivery.seq, {STATUS_COLUMNS}, {EVENT_COLUMNS} FROM delivery INDEXED BY delivery_dead "
    "LEFT JOIN event ON event.seq = delivery.seq "
    "WHERE delivery.state = 2 AND delivery.seq BETWEEN :low AND :high "
    "AND (:destination IS NULL OR delivery.destination = :destination) "
    "AND (:event_id IS NULL OR event.id = :event_id) "
    f"AND (:rule IS NULL OR event.rule LIKE :rule {ESCAPE}) "
    f"AND (:reason IS NULL OR delivery.reason LIKE :reason {ESCAPE}) "
    'AND (:since IS NULL OR event.at + event."offset" >= :since) '
    'AND (:until IS NULL OR event.at + event."offset" < :until) '
    "ORDER BY delivery.seq"
)
_LETTER: Final = (
    f"SELECT delivery.seq, {STATUS_COLUMNS}, {EVENT_COLUMNS} FROM delivery "
    "LEFT JOIN event ON event.seq = delivery.seq "
    "WHERE delivery.destination = ? AND delivery.seq = ? AND delivery.state = 2"
)
_ATTEMPTS: Final = (
    "SELECT at_wall, status, latency, text FROM attempt WHERE destination = ? AND seq = ? ORDER BY number"
)
_RESEND: Final = (
    "UPDATE delivery SET state = 0, charged = 0, due_wall = 0, resent = 1, settled_wall = NULL, reason = '' "
    "WHERE destination = ? AND seq = ? AND state = 2"
)
_DROP: Final = (
    "UPDATE delivery SET state = 3, settled_wall = ? WHERE destination = ? AND seq = ? AND state = 2"
)


async def find_dead(turns: Turns, counters: Counters, selection: Selection, limit: int) -> list[DeadLetter]:
    """Read the newest `limit` letters of the selection, newest last.

    Raises:
        StoreUnavailable: the file cannot be read.
        KeyError: the store does not know the destination.
    """
    found: list[DeadLetter] = []
    parameters = _parameters(selection, counters)
    first, last = _range(selection, Stretch())

    async def bite() -> int:
        """Add what is found; the highest number not looked at yet."""
        [(low,)] = await turns.connection.execute_fetchall(_FLOOR, (last,))
        if low is None:
            return first - 1
        letters = await _read(turns.connection, counters, parameters, max(low, first), last)
        found.extend(reversed(letters))
        return int(low) - 1

    while last >= first and len(found) < limit:
        last = await turns.run(bite)
    return found[:limit][::-1]


async def find_letter(turns: Turns, counters: Counters, destination: str, seq: int) -> DeadLetter | None:
    """Read one letter with its attempts; None when there is none.

    Raises:
        StoreUnavailable: the file cannot be read.
        KeyError: the store does not know the destination.
    """
    key = (counters.destinations[destination].key, seq)

    async def read() -> DeadLetter | None:
        rows = list(await turns.connection.execute_fetchall(_LETTER, key))
        if not rows:
            return None
        attempts = await turns.connection.execute_fetchall(_ATTEMPTS, key)
        return replace(_letter(rows[0], counters.names), attempts=tuple(Attempt(*row) for row in attempts))

    return await turns.run(read)


async def resend(
    turns: Turns,
    counters: Counters,
    selection: Selection,
    stretch: Stretch,
    hand_over: Callable[[Sequence[Delivery]], None],
) -> Walked:
    """Make the letters of the selection pending again, hand them over once that is on disk, count them.

    Left alone are letters that are damaged and those of destinations that are no longer configured.

    Raises:
        StoreUnavailable: the disk does not take it; bites before this one are resent.
        KeyError: the store does not know the destination.
    """

    async def move(letters: Sequence[DeadLetter]) -> int:
        again = [
            Delivery(letter.status.destination, letter.stored, letter.status.previous, resent=True)
            for letter in letters
            if letter.stored is not None and counters.destinations[letter.status.destination].configured
        ]
        rows = [(counters.destinations[one.destination].key, one.stored.seq) for one in again]
        await turns.connection.executemany(_RESEND, rows)
        await turns.connection.commit()
        counters.bury(one.destination for one in again)
        counters.wait(again)
        hand_over(again)
        return len(again)

    return await _each_bite(turns, counters, selection, stretch, move)


async def drop(
    turns: Turns, counters: Counters, selection: Selection, stretch: Stretch, at_wall: int
) -> Walked:
    """Give the letters of the selection up for good; count them.

    Raises:
        StoreUnavailable: the disk does not take it; bites before this one are dropped.
        KeyError: the store does not know the destination.
    """

    async def move(letters: Sequence[DeadLetter]) -> int:
        names = [letter.status.destination for letter in letters]
        rows = [
            (at_wall, counters.destinations[name].key, letter.seq)
            for name, letter in zip(names, letters, strict=True)
        ]
        await turns.connection.executemany(_DROP, rows)
        await turns.connection.commit()
        counters.bury(names)
        counters.release(letter.seq for letter in letters)
        return len(letters)

    return await _each_bite(turns, counters, selection, stretch, move)


async def tally(
    turns: Turns, counters: Counters, selection: Selection, stretch: Stretch
) -> tuple[dict[str, Tally], int | None]:
    """Count the letters of the selection by destination; beside it the number to go on after.

    Raises:
        StoreUnavailable: the file cannot be read.
        KeyError: the store does not know the destination.
    """
    found: dict[str, Tally] = {}

    async def count(letters: Sequence[DeadLetter]) -> int:
        for letter in letters:
            name, stored = letter.status.destination, letter.stored
            known = found.get(name, Tally())
            if stored is None:
                found[name] = replace(known, damaged=known.damaged + 1)
            elif not counters.destinations[name].configured:
                found[name] = replace(known, removed=known.removed + 1)
            else:
                found[name] = known.plus(stored.event.at + stored.offset)
        return len(letters)

    walked = await _each_bite(turns, counters, selection, stretch, count)
    return found, walked.next


async def _each_bite(
    turns: Turns,
    counters: Counters,
    selection: Selection,
    stretch: Stretch,
    move: Callable[[Sequence[DeadLetter]], Awaitable[int]],
) -> Walked:
    """Move the letters of the selection, oldest first; one that dies again meanwhile is not met twice."""
    parameters = _parameters(selection, counters)
    first, last = _range(selection, stretch)

    async def bite() -> tuple[int, int]:
        """The lowest number not looked at yet, and how many were moved."""
        [(high,)] = await turns.connection.execute_fetchall(_CEILING, (first,))
        if high is None:
            return last + 1, 0
        letters = await _read(turns.connection, counters, parameters, first, min(high, last))
        return high + 1, await move(letters) if letters else 0

    count = looked = 0
    while first <= last and looked < stretch.limit:
        first, moved = await turns.run(bite)
        count += moved
        looked += BITE
    return Walked(count, first - 1 if first <= last else None)


def _range(selection: Selection, stretch: Stretch) -> tuple[int, int]:
    first, last = stretch.after + 1, min(stretch.upto, _LAST)
    return (first, last) if selection.seq is None else (max(first, selection.seq), min(last, selection.seq))


def _parameters(selection: Selection, counters: Counters) -> Mapping[str, object]:
    name = selection.destination
    return {
        "destination": None if name is None else counters.destinations[name].key,
        "event_id": selection.event_id,
        "rule": whole(selection.rule),
        "reason": beginning(selection.reason),
        "since": selection.since_wall,
        "until": selection.until_wall,
    }


async def _read(
    connection: aiosqlite.Connection,
    counters: Counters,
    parameters: Mapping[str, object],
    low: int,
    high: int,
) -> list[DeadLetter]:
    rows = await connection.execute_fetchall(_LETTERS, {**parameters, "low": low, "high": high})
    names = counters.names
    return [_letter(row, names) for row in rows]


def _letter(row: Sequence[Any], names: Mapping[int, str]) -> DeadLetter:
    seq, status, event = row[0], row[1:8], row[8:]
    return DeadLetter(seq, read_status(status, names), decode_event(event))
