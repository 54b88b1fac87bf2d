"""What the store knows without asking the disk: the newest numbers, how much waits, since when.

Counted once at the start over the partial indexes, then kept by hand: `count(*)` over five million
rows takes seconds. An outcome counts from the moment it is known (`settle`), not from its commit.

Rules: no row of its own in memory; what could have gone wrong is counted anew (`refresh`), never guessed.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

import aiosqlite

from agent.model import Priority
from agent.store.alive import Moment
from agent.store.blocks import SIZE, Blocks, Worth
from agent.store.gaps import Ranges, joined, ranges
from agent.store.records import (
    Delivery,
    DeliveryState,
    Mark,
    MarkCharged,
    MarkDead,
    MarkDelivered,
    Oldest,
)

_DESTINATIONS: Final = (
    "SELECT id, name, (SELECT max(seq) FROM delivery WHERE delivery.destination = known.id AND seq > ?), lost "
    "FROM destination AS known"
)
_ENDS: Final = "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event), (SELECT value FROM meta WHERE key = 'salvaged')"
_WAITING: Final = "SELECT destination, count(*) FROM delivery INDEXED BY delivery_pending WHERE state = 0 GROUP BY destination"
_DEAD: Final = (
    "SELECT destination, count(*) FROM delivery INDEXED BY delivery_dead WHERE state = 2 GROUP BY destination"
)
_OLDEST: Final = (
    'SELECT known.id, event.seq, event.boot, event.at, event.at + event."offset" FROM destination AS known JOIN event ON event.seq = '
    "(SELECT min(seq) FROM delivery INDEXED BY delivery_pending "
    "WHERE delivery.destination = known.id AND delivery.state = 0)"
)


_WORTH: Final = {priority: Worth.of(priority) for priority in Priority}
# What a dispatcher still holds in memory is the oldest: those are remembered, for the rest it is counted anew.
_MOST_GONE: Final = 2_000


@dataclass(slots=True)
class Counter:
    """One destination.

    Attributes:
        key: its integer in the store.
        newest: the last `seq` addressed to it: the next event's `previous`.
        waiting: deliveries without an outcome.
        dead: dead letters.
        oldest: the event that has waited longest; at most one tick of the writer behind.
        configured: the configuration names it (or was not asked yet).
        lost: deliveries given up for want of room, since the store was made.
    """

    key: int
    newest: int | None = None
    waiting: int = 0
    dead: int = 0
    oldest: Oldest | None = None
    configured: bool = True
    lost: int = 0


class Counters:
    """All destinations that the store knows, and the newest `seq`."""

    def __init__(self) -> None:
        self.seq = 0
        self.blocks = Blocks()
        self._gone: dict[str, Ranges] = {}
        self._held_back: list[tuple[int, Worth]] = []
        self.destinations: dict[str, Counter] = {}
        self._miscounted = False
        self._oldest_settled = False

    @property
    def names(self) -> dict[int, str]:
        """Names by their integer in the store."""
        return {counter.key: name for name, counter in self.destinations.items()}

    def of(self, destination: str | None) -> Collection[Counter]:
        """One destination's counter, or all.

        Raises:
            KeyError: the store does not know it.
        """
        return self.destinations.values() if destination is None else [self.destinations[destination]]

    async def load(self, connection: aiosqlite.Connection) -> None:
        """Read everything; cheap with millions of rows waiting.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        [(first, last, salvaged)] = await connection.execute_fetchall(_ENDS)
        # What was salvaged with its outcome keeps a number of the epoch before: nothing goes on from there.
        before = int(salvaged or 0)
        self.seq = max(last or 0, before)
        self.blocks = Blocks(first or 0, self.seq)
        rows = await connection.execute_fetchall(_DESTINATIONS, (before,))
        self.destinations = {name: Counter(key, newest, lost=lost) for key, name, newest, lost in rows}
        self.doubt()
        await self.refresh(connection, ())

    def doubt(self) -> None:
        """Have everything counted anew at the next `refresh`."""
        self._miscounted = self._oldest_settled = True

    async def refresh(self, connection: aiosqlite.Connection, unwritten: Iterable[Mark]) -> None:
        """Read again what is no longer sure; `unwritten` are the outcomes that the disk does not know yet.

        Raises:
            sqlite3.Error: the file cannot be read; everything stays as it was.
        """
        if self._miscounted:
            waiting = await _by_key(connection, _WAITING)
            dead = await _by_key(connection, _DEAD)
            for counter in self.destinations.values():
                counter.waiting = waiting.get(counter.key, 0)
                counter.dead = dead.get(counter.key, 0)
            for mark in unwritten:
                self._count(mark)
            self._miscounted = False
        if self._oldest_settled:
            rows = await connection.execute_fetchall(_OLDEST)
            oldest = {key: Oldest(seq, Moment(*at)) for key, seq, *at in rows}
            for counter in self.destinations.values():
                counter.oldest = oldest.get(counter.key) if counter.waiting > 0 else None
            self._oldest_settled = False

    def advance(self, seq: int, previous: Mapping[str, int], handed: Iterable[Iterable[Delivery]]) -> None:
        """A transaction with these numbers and deliveries is on disk."""
        for block in range(self.seq // SIZE, seq // SIZE + 1):
            self.blocks.note(block * SIZE, Worth.SETTLED)  # what nobody is told
        for held in self._held_back:
            self.blocks.note(*held)
        self._held_back.clear()
        self.seq = seq
        for name, newest in previous.items():
            self.destinations[name].newest = newest
        for deliveries in handed:
            self.wait(deliveries)

    def wait(self, deliveries: Iterable[Delivery]) -> None:
        """These wait for an outcome: new ones, or dead letters that were sent again."""
        for delivery in deliveries:
            counter = self.destinations[delivery.destination]
            counter.waiting += 1
            self.blocks.note(delivery.stored.seq, _WORTH[delivery.stored.event.priority])
            if counter.oldest is None or delivery.stored.seq < counter.oldest.seq:
                stored, at = delivery.stored, delivery.stored.event.at
                counter.oldest = Oldest(stored.seq, Moment(stored.boot, at, at + stored.offset))

    def bury(self, names: Iterable[str]) -> None:
        """Each of these destinations has one dead letter less."""
        for name in names:
            self.destinations[name].dead -= 1

    def release(self, numbers: Iterable[int]) -> None:
        """Of each of these events a delivery is over, on disk: nobody may be waiting for it any more."""
        for seq in numbers:
            self.blocks.note(seq, Worth.SETTLED)

    @property
    def kept(self) -> frozenset[int]:
        """The events that `seq` and `previous` go on from: they are never deleted."""
        newest = (counter.newest for counter in self.destinations.values())
        return frozenset({self.seq, *(seq for seq in newest if seq is not None)})

    def hold_back(self, seq: int, worth: Worth) -> None:
        """It would go, but is kept: it may go when there is a newer one."""
        self._held_back.append((seq, worth))

    def lose(self, owed: Mapping[int, Collection[tuple[int, int]]], late: Iterable[Mark]) -> None:
        """These were deleted, by number: where (destination's key, state) they were pending or dead.

        `late` are outcomes of theirs that were counted already, and that nothing on disk can take any more.
        """
        by_key = {counter.key: (name, counter) for name, counter in self.destinations.items()}
        gone: dict[str, list[int]] = {}
        for seq, deliveries in owed.items():
            for key, state in deliveries:
                name, counter = by_key[key]
                gone.setdefault(name, []).append(seq)
                counter.lost += 1
                if state == DeliveryState.DEAD:
                    counter.dead -= 1
                else:
                    counter.waiting -= 1
        for mark in late:
            self._count(mark, -1)
        for name, numbers in gone.items():
            known = joined([*self._gone.get(name, ()), *ranges(numbers)])
            self._gone[name] = known[:_MOST_GONE]
        self._oldest_settled = True

    def is_gone(self, mark: Mark) -> bool:
        """Whether this outcome is of a delivery that was given up since the start, as far as that is remembered."""
        pieces = self._gone.get(mark.destination, ())
        place = bisect_right(pieces, (mark.seq, 2**63)) - 1
        return place >= 0 and mark.seq <= pieces[place][1]

    def settle(self, mark: Mark) -> None:
        """An outcome is known.

        Raises:
            KeyError: the store does not know this destination.
        """
        counter = self._count(mark)
        if counter.waiting <= 0:
            counter.oldest = None
        elif counter.oldest is not None and counter.oldest.seq == mark.seq:
            self._oldest_settled = True

    def _count(self, mark: Mark, times: int = 1) -> Counter:
        counter = self.destinations[mark.destination]
        match mark:
            case MarkDelivered():
                counter.waiting -= times
            case MarkDead():
                counter.waiting -= times
                counter.dead += times
            case MarkCharged():
                pass
            case _:
                assert_never(mark)
        return counter


async def _by_key(connection: aiosqlite.Connection, sql: str) -> dict[int, int]:
    rows: Iterable[Sequence[int]] = await connection.execute_fetchall(sql)
    return {key: count for key, count in rows}  # noqa: C416 - dict() of rows would lose their types
