"""What was delivered and is still kept waits again: the same id, `late: true`, out of its order.

A receiver that lost its disk, or was restored from last night's backup, gets once more what it had
acknowledged. What is pending or dead is left alone: the one comes anyway, the other is resent.

Rules: walked by the number of the event, in bites, so that a million of them hold up no commit; a
damaged event is counted and never sent.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from agent.store.counters import Counters
from agent.store.orders import Replay, Stretch, Tally, Walked
from agent.store.patterns import ESCAPE, beginning, whole
from agent.store.records import Delivery
from agent.store.rows import EVENT_COLUMNS, decode_event
from agent.store.turns import Turns

BITE: Final = 500
CEILING: Final = f"SELECT max(seq) FROM (SELECT seq FROM event WHERE seq > ? ORDER BY seq LIMIT {BITE})"
WANTED: Final = (
    "event.seq > :after AND event.seq <= :high "
    f"AND (:rule IS NULL OR event.rule LIKE :rule {ESCAPE}) "
    f"AND (:type IS NULL OR event.type LIKE :type {ESCAPE}) "
    'AND (:since IS NULL OR event.at + event."offset" >= :since) '
    'AND (:until IS NULL OR event.at + event."offset" < :until) '
)
_DELIVERED: Final = (
    f"SELECT delivery.previous, {EVENT_COLUMNS} FROM event JOIN delivery "
    "ON delivery.destination = :key AND delivery.seq = event.seq AND delivery.state = 1 "
    f"WHERE {WANTED} ORDER BY event.seq"
)
_AGAIN: Final = (
    "UPDATE delivery SET state = 0, charged = 0, due_wall = 0, resent = 1, settled_wall = NULL, reason = '' "
    "WHERE destination = ? AND seq = ? AND state = 1"
)


async def replay(
    turns: Turns,
    counters: Counters,
    wanted: Replay,
    stretch: Stretch,
    hand_over: Callable[[Sequence[Delivery]], None],
) -> Walked:
    """Make what was delivered pending again, hand it over once that is on disk, count it.

    Raises:
        StoreUnavailable: the disk does not take it; bites before this one are sent again.
        KeyError: the destination is not configured.
    """
    names = _names(counters, wanted)

    async def bite(parameters: Mapping[str, object]) -> int:
        again: list[Delivery] = []
        for name in names:
            found = await _read(turns, parameters, counters.destinations[name].key)
            again += [
                Delivery(name, stored, previous, resent=True)
                for previous, stored in ((row[0], decode_event(row[1:])) for row in found)
                if stored is not None
            ]
        if not again:
            return 0
        again.sort(key=lambda one: one.stored.seq)
        rows = [(counters.destinations[one.destination].key, one.stored.seq) for one in again]
        await turns.connection.executemany(_AGAIN, rows)
        await turns.connection.commit()
        counters.wait(again)
        hand_over(again)
        return len(again)

    return await each_bite(turns, wanted, stretch, bite)


async def tally(
    turns: Turns, counters: Counters, wanted: Replay, stretch: Stretch
) -> tuple[dict[str, Tally], int | None]:
    """Count what `replay` would move, by destination; beside it the number to go on after.

    Raises:
        StoreUnavailable: the file cannot be read.
        KeyError: the destination is not configured.
    """
    found: dict[str, Tally] = {}
    names = _names(counters, wanted)

    async def bite(parameters: Mapping[str, object]) -> int:
        for name in names:
            known = found.get(name, Tally())
            for row in await _read(turns, parameters, counters.destinations[name].key):
                stored = decode_event(row[1:])
                if stored is None:
                    known = replace(known, damaged=known.damaged + 1)
                else:
                    known = known.plus(stored.event.at + stored.offset)
            if known != Tally():
                found[name] = known
        return 0

    return found, (await each_bite(turns, wanted, stretch, bite)).next


async def each_bite(
    turns: Turns,
    wanted: Replay,
    stretch: Stretch,
    move: Callable[[Mapping[str, object]], Awaitable[int]],
) -> Walked:
    """Walk the events of a stretch, oldest first; `move` is given the parameters of WANTED, in a job."""
    after, last = stretch.after, stretch.upto

    async def bite() -> tuple[int, int]:
        """The number to go on after, and how many were moved."""
        [(ceiling,)] = await turns.connection.execute_fetchall(CEILING, (after,))
        if ceiling is None:
            return last, 0
        high = min(ceiling, last)
        parameters = {
            "after": after,
            "high": high,
            "rule": whole(wanted.rule),
            "type": beginning(wanted.type),
            "since": wanted.since_wall,
            "until": wanted.until_wall,
        }
        return high, await move(parameters)

    count = looked = 0
    while after < last and looked < stretch.limit:
        after, moved = await turns.run(bite)
        count += moved
        looked += BITE
    return Walked(count, after if after < last else None)


def _names(counters: Counters, wanted: Replay) -> list[str]:
    """The destinations that are meant; those that are no longer configured take nothing."""
    configured = [name for name, counter in counters.destinations.items() if counter.configured]
    if wanted.destination is None:
        return configured
    if wanted.destination not in configured:
        raise KeyError(wanted.destination)
    return [wanted.destination]


async def _read(turns: Turns, parameters: Mapping[str, object], key: int) -> Iterable[Sequence[Any]]:
    return await turns.connection.execute_fetchall(_DELIVERED, {**parameters, "key": key})
