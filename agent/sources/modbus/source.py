"""One session with a Modbus device, or with several behind one gateway: connect, poll, emit.

Rules for whoever changes this file: one batch a poll; a unit that is silent is asked when the others
have been read and emitted, and where there is time before the next poll; at most one such timeout is
spent at once; a unit that is back is read at once; the session ends when no unit answers. What writes is imported for a source that has a tag with `write`, lent
while the device answers, and used by others: no poll ever writes.
"""

import contextlib
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, NoReturn

from agent.clock import Clock
from agent.errors import SourceError, StoreUnavailable
from agent.metrics import ITEMS_ALIVE, ITEMS_WANTED, POLL_LATENESS, POLLS, POLLS_SKIPPED
from agent.model import SECOND, Link, Reading, Seen
from agent.sources.base import Emit
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.connection import Connection, connected
from agent.sources.modbus.grid import Grid
from agent.sources.modbus.plan import plan
from agent.sources.modbus.reads import Reads
from agent.sources.modbus.unit import Unit
from agent.sources.writing import Door


class _Learned(NamedTuple):
    """What a source knows of its devices beyond one session: what reads them, by unit and period."""

    config: ModbusSource
    reads: dict[int, dict[int, Reads]]


_LEARNED: Final[dict[str, _Learned]] = {}
"""By source: a refused address must not cost a search after each reconnect."""


async def run(name: str, config: ModbusSource, emit: Emit, clock: Clock, door: Door | None = None) -> None:
    """Read the device until it is lost.

    Raises:
        SourceError: no connection, or no unit behind it answers (any more).
    """
    learned = _LEARNED.get(name)
    if learned is None or learned.config is not config:
        learned = _LEARNED[name] = _Learned(config, _reads(config))
    units = [Unit(number, reads, clock) for number, reads in learned.reads.items()]
    ITEMS_WANTED.labels(name).set(len(config.tags))
    try:
        async with connected(config, clock) as connection:
            lent = _lent(config, connection, clock, door)
            await _Session(name, config, units, connection, emit, clock, lent).run()
    finally:
        ITEMS_ALIVE.labels(name).set(0)


def _lent(
    config: ModbusSource, connection: Connection, clock: Clock, door: Door | None
) -> contextlib.AbstractContextManager[None]:
    """Give what lends a writer while it is entered; it lends nothing where no tag says `write`."""
    if door is None or not config.writes():
        return contextlib.nullcontext()
    from agent.sources.modbus.writer import ModbusWriter  # noqa: PLC0415 - see the rules above

    return door.open(ModbusWriter(config, connection, clock, door))


def _reads(config: ModbusSource) -> dict[int, dict[int, Reads]]:
    """What reads all tags: by unit, and by period, the shortest first."""
    reads: dict[int, dict[int, Reads]] = {}
    for period in _periods(config):
        points = [point for point in config.points() if config.period(point.tag) == period]
        for unit, blocks in groupby(plan(points, config.limits), key=attrgetter("unit")):
            reads.setdefault(unit, {})[period] = Reads(list(blocks), period)
    return dict(sorted(reads.items()))


def _periods(config: ModbusSource) -> list[int]:
    return sorted({config.period(tag) for tag in config.tags})


class _Beat:
    """The polls of one period."""

    def __init__(self, grid: Grid, due: int) -> None:
        self.period = grid.period
        self.due = due
        self._grid = grid

    def next(self, now: int) -> int:
        """Set when it is due next; how many polls were missed."""
        # A timer may fire a moment early: counted from the instant that was due, no point comes twice.
        now = max(now, self.due)
        missed = self._grid.points(self.due, now)
        self.due = self._grid.after(now)
        return missed


class _Session:
    """The polls of one connection."""

    def __init__(
        self,
        name: str,
        config: ModbusSource,
        units: Sequence[Unit],
        connection: Connection,
        emit: Emit,
        clock: Clock,
        lent: contextlib.AbstractContextManager[None],
    ) -> None:
        self._name = name
        self._where = config.endpoint
        self._attempts = 1 + config.retries
        self._timeout = config.timeout
        self._periods = _periods(config)
        self._units = units
        self._connection = connection
        self._emit = emit
        self._clock = clock
        self._lent = lent
        self._left_between_polls = config.close_after_poll
        self._looked = 0  # when silent units were asked last
        self._announced = False
        self._unseen = set(config.tags)  # no good value since the connect, or since the unit fell silent
        self._polls = POLLS.labels(name)
        self._skipped = POLLS_SKIPPED.labels(name)
        self._lateness = POLL_LATENESS.labels(name)
        self._alive = ITEMS_ALIVE.labels(name)

    async def run(self) -> None:
        """Poll everything at once, and then each period on its grid."""
        async with self._connection.poll():
            await self._prove_silent()
            beats = []
            for period in self._periods:
                beats.append(_Beat(Grid.of(self._name, period), self._clock.monotonic()))
                await self._beat(beats[-1])
        with self._lent:
            await self._go_on(beats)

    async def _go_on(self, beats: Sequence[_Beat]) -> NoReturn:
        while True:
            beat = min(beats, key=attrgetter("due"))
            look = self._next_look()
            if look is None or look + self._timeout > beat.due:
                await self._connection.wait(beat.due - self._clock.monotonic())
                async with self._connection.poll():
                    await self._beat(beat)
            else:  # there is time for a silent unit before the next poll
                await self._connection.wait(look - self._clock.monotonic())
                await self._look_for_silent()

    async def _beat(self, beat: _Beat) -> None:
        self._polls.inc()
        self._lateness.observe(max(self._clock.monotonic() - beat.due, 0) / SECOND)
        await self._poll(beat.period)
        await self._look_for_silent()
        self._skipped.inc(beat.next(self._clock.monotonic()))

    async def _poll(self, period: int) -> None:
        """Read every unit that answers; all tags of the period in one batch."""
        batch: list[Reading] = []
        attempts = self._attempts
        for unit in self._units:
            if unit.silence:
                batch += unit.silent_readings(period)
                continue
            batch += await unit.read(period, self._connection, attempts)
            if unit.silence:  # the line itself may be dead: the others get no patience in this poll
                attempts = 1
        self._end_if_silent()
        self._alive.set(sum(unit.alive for unit in self._units))
        await self._offer(batch)
        self._unseen.update(self._tags_of_silent())

    def _next_look(self) -> int | None:
        """When to look for silent units between two polls; None: not at all."""
        silent = [unit.probe.due for unit in self._units if unit.silence]
        if not silent or self._left_between_polls:
            return None
        return max(min(silent), self._looked + self._timeout)

    async def _look_for_silent(self) -> None:
        """Ask the silent units, and read at once those that are back: their next poll may be an hour away."""
        silent = [unit for unit in self._units if unit.silence]
        if not silent:
            return
        await self._prove_silent()
        self._looked = self._clock.monotonic()
        batch: list[Reading] = []
        for unit in silent:
            for period in () if unit.silence else self._periods:
                batch += await unit.read(period, self._connection, self._attempts)
        if batch:
            await self._offer(batch)

    def _tags_of_silent(self) -> Iterable[str]:
        silent = [unit for unit in self._units if unit.silence]
        return (tag for unit in silent for period in self._periods for tag in unit.tags(period))

    async def _prove_silent(self) -> None:
        """Ask units that were silent whether they are there, until one costs us a timeout.

        As long as none answers, every one is asked: the connection is not proven.
        """
        for unit in sorted(self._units, key=lambda unit: unit.probe.due):
            if not unit.silence or unit.probe.due > self._clock.monotonic():
                continue
            if self._any_answers() and self._connection.doubts(unit.number):
                continue
            began = self._clock.monotonic()
            await unit.prove(self._connection)
            waited = unit.silence and self._clock.monotonic() - began >= self._timeout
            if waited and self._any_answers():
                return
        self._end_if_silent()

    def _any_answers(self) -> bool:
        return any(not unit.silence for unit in self._units)

    def _end_if_silent(self) -> None:
        if not self._any_answers():
            many = f"none of {len(self._units)} units answers; " if len(self._units) > 1 else ""
            raise SourceError(f"{self._where}: {many}{self._units[0].silence}")

    async def _offer(self, batch: list[Reading]) -> None:
        """Emit; what the store does not take is not lost: the next poll brings newer values."""
        first = (
            {r.tag for r in batch if r.tag in self._unseen and r.value is not None} if self._unseen else ()
        )
        seen: list[Seen] = [r._replace(baseline=r.tag in first) for r in batch] if first else [*batch]
        if not self._announced:
            seen.insert(0, Link(self._name, up=True, at=self._clock.monotonic()))
        try:
            await self._emit(seen)
        except StoreUnavailable:
            return
        self._announced = True
        self._unseen.difference_update(first)
