"""Deliveries that a destination gets although its events were addressed to others: once, and late.

What one destination has not taken in time goes to its fallback; what was kept before a destination
was there can be sent to it after all.

Rules: an event is never addressed twice to one destination, whatever became of it there (the primary
key says so), nor to the destination that it is about; a row here is `late: true` and names as
`previous` the newest number that was addressed there until then, but is not the newest itself: it
stands beside the chain of the live events, which goes on from where it was. (After a restart the next
live event may name it after all. Either way each `previous` is a number that was sent there.)
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from agent.delivery.subscription import DESTINATION_SUBJECT
from agent.model import Event
from agent.store.counters import Counters
from agent.store.orders import Replay, Stretch, Tally, Walked
from agent.store.records import URGENT, Delivery, Stored
from agent.store.replay import WANTED, each_bite
from agent.store.rows import EVENT_COLUMNS, decode_event, subject_key
from agent.store.turns import Turns

BITE: Final = 500
# What a person sent again is that person's business, and what fell back falls no further: resent = 0.
_CEILING: Final = (
    "SELECT max(seq) FROM (SELECT seq FROM delivery INDEXED BY delivery_pending "
    f"WHERE destination = ? AND state = 0 AND seq > ? ORDER BY seq LIMIT {BITE})"
)
_WAITS: Final = (
    f"SELECT {EVENT_COLUMNS} FROM delivery INDEXED BY delivery_pending JOIN event ON event.seq = delivery.seq "
    "WHERE delivery.destination = :key AND delivery.state = 0 AND delivery.resent = 0 "
    "AND delivery.seq > :after AND delivery.seq <= :high "
    "AND NOT EXISTS (SELECT 1 FROM delivery AS other WHERE other.destination = :to AND other.seq = event.seq) "
    "ORDER BY event.seq"
)
_NEVER: Final = (
    f"SELECT {EVENT_COLUMNS} FROM event WHERE {WANTED}"
    "AND NOT EXISTS (SELECT 1 FROM delivery AS other WHERE other.destination = :to AND other.seq = event.seq) "
    "ORDER BY event.seq"
)
_INSERT: Final = (
    "INSERT OR IGNORE INTO delivery (destination, seq, previous, resent, subject, urgent) "
    "VALUES (?, ?, ?, 1, ?, ?)"
)

Wants = Callable[[Event], bool]


async def fall_back(
    turns: Turns,
    counters: Counters,
    way: tuple[str, str],
    after: int,
    late: Callable[[Stored], bool],
    hand_over: Callable[[Sequence[Delivery]], None],
) -> Walked:
    """Address a bite of what waits for the first of `way` and is `late` to the second as well.

    `next` of the result is the number up to which nothing is left to fall back; None: no more waits.

    Raises:
        StoreUnavailable: the disk does not take it.
        KeyError: the store does not know one of them.
    """
    name, to = way
    key, other = counters.destinations[name].key, counters.destinations[to].key

    async def bite() -> Walked:
        [(high,)] = await turns.connection.execute_fetchall(_CEILING, (key, after))
        if high is None:
            return Walked(0, None)
        parameters = {"key": key, "to": other, "after": after, "high": high}
        fallen: list[Stored] = []
        for stored in _sound(await turns.connection.execute_fetchall(_WAITS, parameters)):
            if not late(stored):  # numbers and time rise together: nor are those behind it
                return Walked(await _address(turns, counters, to, fallen, hand_over), stored.seq - 1)
            fallen.append(stored)
        return Walked(await _address(turns, counters, to, fallen, hand_over), high)

    return await turns.run(bite)


async def send_after_all(
    turns: Turns,
    counters: Counters,
    to: str,
    wanted: Replay,
    wants: Wants,
    stretch: Stretch,
    hand_over: Callable[[Sequence[Delivery]], None],
) -> Walked:
    """Address events to a destination that they were never addressed to and that `wants` them.

    Raises:
        StoreUnavailable: the disk does not take it; bites before this one are sent.
        KeyError: the destination is not configured.
    """
    key = _configured(counters, to)

    async def bite(parameters: Mapping[str, object]) -> int:
        rows = await turns.connection.execute_fetchall(_NEVER, {**parameters, "to": key})
        chosen = [stored for stored in _sound(rows) if wants(stored.event)]
        return await _address(turns, counters, to, chosen, hand_over)

    return await each_bite(turns, wanted, stretch, bite)


async def tally(
    turns: Turns, counters: Counters, to: str, wanted: Replay, wants: Wants, stretch: Stretch
) -> tuple[dict[str, Tally], int | None]:
    """Count what `send_after_all` would address; beside it the number to go on after.

    Raises:
        StoreUnavailable: the file cannot be read.
        KeyError: the destination is not configured.
    """
    key = _configured(counters, to)
    found = Tally()

    async def bite(parameters: Mapping[str, object]) -> int:
        nonlocal found
        rows = await turns.connection.execute_fetchall(_NEVER, {**parameters, "to": key})
        for stored in _sound(rows):
            if wants(stored.event) and _may_go(stored, to):
                found = found.plus(stored.event.at + stored.offset)
        return 0

    walked = await each_bite(turns, wanted, stretch, bite)
    return {to: found}, walked.next


async def _address(
    turns: Turns,
    counters: Counters,
    to: str,
    events: Sequence[Stored],
    hand_over: Callable[[Sequence[Delivery]], None],
) -> int:
    """Write the rows and hand them over once they are on disk; a job, of events without a row there."""
    counter = counters.destinations[to]
    added = [Delivery(to, stored, counter.newest, resent=True) for stored in events if _may_go(stored, to)]
    if not added:
        return 0
    rows = [
        (counter.key, one.stored.seq, one.previous, subject_key(event.subject), event.priority >= URGENT)
        for one, event in ((one, one.stored.event) for one in added)
    ]
    await turns.connection.executemany(_INSERT, rows)
    await turns.connection.commit()
    counters.wait(added)
    hand_over(added)
    return len(added)


def _may_go(stored: Stored, to: str) -> bool:
    return stored.event.subject != DESTINATION_SUBJECT + to


def _sound(rows: Iterable[Sequence[Any]]) -> list[Stored]:
    """The events whose rows are not damaged; the others become dead letters where they wait."""
    return [stored for stored in map(decode_event, rows) if stored is not None]


def _configured(counters: Counters, name: str) -> int:
    counter = counters.destinations[name]
    if not counter.configured:
        raise KeyError(name)
    return counter.key
