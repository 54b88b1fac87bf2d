"""What the store knows without asking the disk: the newest numbers, how much waits, since when.

Counted once at the start over the partial indexes, then kept by hand: `count(*)` over five million
rows takes seconds. An outcome counts from the moment it is known (`settle`), not from its commit.

Rules: no row of its own in memory; what could have gone wrong is counted anew (`refresh`), never guessed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

import aiosqlite

from agent.store.alive import Moment
from agent.store.records import Delivery, Mark, MarkCharged, MarkDead, MarkDelivered, Oldest

_DESTINATIONS: Final = (
    "SELECT id, name, (SELECT max(seq) FROM delivery WHERE delivery.destination = known.id) "
    "FROM destination AS known"
)
_WAITING: Final = "SELECT destination, count(*) FROM delivery INDEXED BY delivery_pending WHERE state = 0 GROUP BY destination"
_DEAD: Final = (
    "SELECT destination, count(*) FROM delivery INDEXED BY delivery_dead WHERE state = 2 GROUP BY destination"
)
_OLDEST: Final = (
    'SELECT known.id, event.seq, event.boot, event.at, event.at + event."offset" FROM destination AS known JOIN event ON event.seq = '
    "(SELECT min(seq) FROM delivery INDEXED BY delivery_pending "
    "WHERE delivery.destination = known.id AND delivery.state = 0)"
)


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
    """

    key: int
    newest: int | None = None
    waiting: int = 0
    dead: int = 0
    oldest: Oldest | None = None
    configured: bool = True


class Counters:
    """All destinations that the store knows, and the newest `seq`."""

    def __init__(self) -> None:
        self.seq = 0
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
        [(seq,)] = await connection.execute_fetchall("SELECT max(seq) FROM event")
        self.seq = seq or 0
        rows = await connection.execute_fetchall(_DESTINATIONS)
        self.destinations = {name: Counter(key, newest) for key, name, newest in rows}
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
            if counter.oldest is None or delivery.stored.seq < counter.oldest.seq:
                stored, at = delivery.stored, delivery.stored.event.at
                counter.oldest = Oldest(stored.seq, Moment(stored.boot, at, at + stored.offset))

    def bury(self, names: Iterable[str]) -> None:
        """Each of these destinations has one dead letter less."""
        for name in names:
            self.destinations[name].dead -= 1

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

    def _count(self, mark: Mark) -> Counter:
        counter = self.destinations[mark.destination]
        match mark:
            case MarkDelivered():
                counter.waiting -= 1
            case MarkDead():
                counter.waiting -= 1
                counter.dead += 1
            case MarkCharged():
                pass
            case _:
                assert_never(mark)
        return counter


async def _by_key(connection: aiosqlite.Connection, sql: str) -> dict[int, int]:
    rows: Iterable[Sequence[int]] = await connection.execute_fetchall(sql)
    return {key: count for key, count in rows}  # noqa: C416 - dict() of rows would lose their types
