"""Group commit: what is offered while a transaction is under way shares the next one, with no linger.

The slower the disk, the larger the group. Outcomes and checkpoints ride along; alone they go at most
once a tick, and nothing is written while nothing changes.

Rules for whoever changes this file:
- Nothing is announced before COMMIT came back; everything announced is in queue order.
- When a transaction fails, its steps and all that queued behind them fall together, because they were
  computed one upon the other. Outcomes never fall: they are true whatever the disk says.
- Every StoreUnavailable of `commit` comes after `on_failure` (but for a closed store): whoever steps on a
  tentative state has fallen back by then.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.metrics import COMMITS
from agent.model import SECOND
from agent.stamps import Reckoning
from agent.store.counters import Counters
from agent.store.failures import explain, is_full
from agent.store.inbox import write_inbox
from agent.store.marks import write_marks
from agent.store.plan import INSERT_DELIVERY, Plan, plan
from agent.store.records import Delivery, Mark, MarkDelivered, Step
from agent.store.riders import Riders
from agent.store.rows import INSERT_EVENT, Draft, draft
from agent.store.states import write_states
from agent.store.turns import Turns

_log = logging.getLogger(__name__)

REFUSE_FOR: Final = SECOND  # a full disk is not asked a thousand times a second
# Random, because SQLite writes no page whose content stays the same.
_PROBE: Final = "INSERT OR REPLACE INTO meta VALUES ('probe', hex(randomblob(8)))"


@dataclass(frozen=True, slots=True)
class _Offered:
    step: Step
    drafts: Sequence[Draft]
    future: asyncio.Future[None]


async def _no_room() -> bool:
    return False


class Listener(Protocol):
    """Who is told; see `Store`."""

    on_commit: Callable[[Step, Sequence[Delivery]], None]
    on_failure: Callable[[str], None]
    reckon: Callable[[], Reckoning]


class Writer:
    """See the module.

    Attributes:
        unavailable: why nothing can be committed, with the remedy; None while all is well.
        writing_since: monotonic instant at which the transaction under way began; None: none is.
        make_room: asked when the disk is full; True: there may be room now.
        on_written: told how many bytes of events a transaction brought, about.
    """

    def __init__(
        self,
        turns: Turns,
        counters: Counters,
        *,
        listener: Listener,
        clock: Clock,
        boot: str,
        tick_s: float,
    ) -> None:
        self.unavailable: str | None = None
        self.writing_since: int | None = None
        self.make_room: Callable[[], Awaitable[bool]] = _no_room
        self.on_written: Callable[[int], None] = lambda _: None
        self._turns = turns
        self._counters = counters
        self.listener: Final = listener
        self._clock = clock
        self.boot: Final = boot
        self._tick_s = tick_s
        self._riders = Riders()
        self._queue: list[_Offered] = []
        self._under_way: list[_Offered] = []
        self._scheduled = False
        self._refused_until = 0
        self._timer: asyncio.TimerHandle | None = None
        self._written = False
        self._wal_used = False
        self._upkeep_failed = False
        turns.when_ended(self._end)

    async def commit(self, step: Step) -> None:
        """See `Store.commit`."""
        drafts = [draft(addressed, self._counters.destinations) for addressed in step.events]
        if self.unavailable is not None and self._clock.monotonic() < self._refused_until:
            self.listener.on_failure(self.unavailable)
            raise StoreUnavailable(self.unavailable)
        self._turns.refuse_if_closed()
        offered = _Offered(step, drafts, asyncio.get_running_loop().create_future())
        self._queue.append(offered)
        self._schedule()
        await offered.future

    def mark(self, mark: Mark) -> None:
        """See `Store.mark`."""
        if self._counters.is_gone(mark):
            return  # it was declared lost meanwhile
        self._counters.settle(mark)
        self._turns.changes += 1
        if self._riders.add(mark) and self.unavailable is None:
            self._schedule()
        self._arm()

    def checkpoint(self, states: Mapping[str, bytes | None]) -> None:
        """See `Store.checkpoint`."""
        self._riders.checkpoint(states)
        self._arm()

    def unwritten(self, destination: str) -> list[Mark]:
        """The outcomes of a destination that the disk does not know yet, in order; for jobs."""
        return [mark for mark in self._riders.marks if mark.destination == destination]

    def disregard(self, owed: Mapping[int, Collection[tuple[int, int]]]) -> list[Mark]:
        """Outcomes, not on disk yet, of what was just given up: they count no more. For jobs."""
        keys = {name: counter.key for name, counter in self._counters.destinations.items()}
        return self._riders.disregard(
            lambda mark: any(key == keys[mark.destination] for key, _ in owed.get(mark.seq, ()))
        )

    async def flush(self) -> None:
        """See `Store.flush`."""
        if not await self._turns.run(self.settle):
            raise StoreUnavailable(self.unavailable or "")

    async def close(self) -> None:
        """Write what is queued; outcomes that the disk does not take are lost, and sent again."""
        if not self._turns.closed:
            self._turns.add(self.settle)
        await self._turns.close()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._turns.add(self._transaction)

    async def settle(self) -> bool:
        """Write the outcomes and checkpoints so far; False if the disk does not take them. A job.

        What comes meanwhile is for the next time: where it comes faster than a transaction, this would not end.
        """
        for _ in range(self._riders.transactions):
            if not await self._transaction():
                return False
        return True

    async def _transaction(self, *, probe: bool = False) -> bool:
        """Commit what is queued; `probe`: write something in any case. False if it fell."""
        self._scheduled = False
        group = self._under_way = self._queue
        self._queue = []
        marks, checkpoints = self._riders.take()
        # A step is newer than any checkpoint: those are taken from what is committed.
        states = checkpoints | {key: state for offered in group for key, state in offered.step.states.items()}
        self.writing_since = self._clock.monotonic()
        reckoning = self.listener.reckon()
        steps = ((offered.drafts, offered.step.inbox) for offered in group)
        made = plan(steps, self._counters, self.boot, reckoning)
        try:
            if made.events or marks or states or made.inbox or probe:
                await self._put(made, marks, states)
        except (sqlite3.Error, OSError) as error:
            # A connection that cannot even roll back is not to be trusted: the error ends the writer.
            await self._turns.connection.rollback()
            self._fall(explain(self._turns.path, error))
            self._turns.see_to(error)
            return False
        finally:
            self.writing_since = None
        self._riders.arrived(marks, checkpoints)
        self._counters.release(mark.seq for mark in marks if isinstance(mark, MarkDelivered))
        self._announce(made)
        return True

    async def _put(self, made: Plan, marks: Sequence[Mark], states: Mapping[str, bytes | None]) -> None:
        try:
            await self._write(made, marks, states)
        except sqlite3.Error as error:
            if not is_full(error) or not await self.make_room():
                raise
            await self._turns.connection.rollback()
            await self._write(made, marks, states)

    async def _write(self, made: Plan, marks: Sequence[Mark], states: Mapping[str, bytes | None]) -> None:
        """Few calls, each a hop between threads of 30 us; the first one opens the transaction."""
        connection = self._turns.connection
        if made.events:
            await connection.executemany(INSERT_EVENT, made.events)
        if made.deliveries:
            await connection.executemany(INSERT_DELIVERY, made.deliveries)
        if states:
            await write_states(connection, states)
        if made.inbox:
            await write_inbox(connection, made.inbox)
        if marks and not await write_marks(connection, marks, self._counters.destinations):
            self._counters.doubt()
        if self.unavailable is not None:
            await connection.execute(_PROBE)  # something must be written to learn that it can be
        await connection.commit()
        COMMITS.inc()
        if self.unavailable is not None:
            _log.warning("the store %s takes events again", self._turns.path)
            self.unavailable = None
        self._written = self._wal_used = True
        self._arm()
        if made.events:
            self.on_written(made.size)

    def _announce(self, made: Plan) -> None:
        for offered in self._under_way:
            self._riders.forget(offered.step.states)
        self._counters.advance(made.seq, made.previous, made.handed)
        for offered, deliveries in zip(self._under_way, made.handed, strict=True):
            self.listener.on_commit(offered.step, deliveries)
        for offered in self._under_way:
            if not offered.future.done():
                offered.future.set_result(None)
        self._under_way = []

    def _fall(self, reason: str) -> None:
        if self.unavailable is None:
            _log.warning("nothing can be stored: %s", reason)
        self.unavailable = reason
        if self._under_way:
            self._under_way += self._queue
            self._queue = []
            for offered in self._under_way:
                self._riders.forget(offered.step.states)
            self._refused_until = self._clock.monotonic() + REFUSE_FOR
            self.listener.on_failure(reason)
            self._raise_all(reason)
        self._arm()

    async def _tick_over(self) -> None:
        """What is due a tick after something changed; nothing ticks while nothing changes."""
        self._timer = None
        if self._riders or self.unavailable is not None:
            await self._transaction(probe=True)
        quiet = not self._written
        self._written = False
        try:
            await self._upkeep(quiet=quiet)
        except (sqlite3.Error, OSError) as error:
            # Nothing is lost by it: the next tick tries again, and what matters fails in a commit.
            if not self._upkeep_failed:
                _log.warning("upkeep waits: %s", explain(self._turns.path, error))
            self._upkeep_failed = True
            self._turns.see_to(error)
        else:
            self._upkeep_failed = False
        if self._wal_used or self._upkeep_failed:
            self._arm()

    async def _upkeep(self, *, quiet: bool) -> None:
        await self._counters.refresh(self._turns.connection, self._riders.marks)
        if quiet and self._wal_used:
            await self._turns.connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
            self._wal_used = False

    def _arm(self) -> None:
        if self._timer is None and not self._turns.closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._tick_s, self._turns.add, self._tick_over)

    def _raise_all(self, reason: str) -> None:
        for offered in self._under_way:
            if not offered.future.done():
                offered.future.set_exception(StoreUnavailable(reason))
        self._under_way = []

    def _end(self) -> None:
        """Leave nobody waiting, whatever ended the task."""
        if self._timer is not None:
            self._timer.cancel()
        self.unavailable = f"the store {self._turns.path} is closed"
        self._under_way += self._queue
        self._raise_all(self.unavailable)
