"""The durable middle of the agent: what is committed here survives kill -9, power loss and a full disk.

    async with await Store.open(path, clock=clock, boot=boot) as store:
        await store.sync_destinations(names)
        await store.commit(Step(...))

`commit` returns when the step is on disk and announced (`on_commit`). Whoever runs the store awaits
`watch` in its TaskGroup: a defect of the writer ends the process, not just the storing.

Rules for whoever changes this folder: the module here is the only one that others import (with
`records`); SQL runs only inside a job of `Turns`; nothing on the way of a commit grows with the
number of rows.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeAlias

from agent.clock import Clock
from agent.model import SECOND
from agent.stamps import Reckoning
from agent.store import destinations, queries, retention, stamping
from agent.store.audit import Audit, audit_size
from agent.store.counters import Counters
from agent.store.inbox import Inbox, horizon_of
from agent.store.letters import Letters
from agent.store.loading import open_or_rescue
from agent.store.records import (
    Delivery,
    DestinationFacts,
    End,
    EventFilter,
    Listed,
    Mark,
    MarkCharged,
    MarkDead,
    Oldest,
    Part,
    Step,
)
from agent.store.room import Room
from agent.store.stamping import Stamps
from agent.store.states import read_states
from agent.store.turns import Turns
from agent.store.writer import Writer

TICK: Final = 5 * SECOND
DAMAGED: Final = "damaged"
_NEWEST: Final = 2**63 - 1

OnCommit: TypeAlias = Callable[[Step, Sequence[Delivery]], None]
OnFailure: TypeAlias = Callable[[str], None]

_log = logging.getLogger(__name__)


def _nobody(*_: object) -> None:
    """Listen in nobody's place."""


class Store:
    """One open store; `open` makes it.

    Every coroutine raises StoreUnavailable when SQLite says no (nothing of it is done, or of a walk in
    bites: the bites before stay done) or the store is closed; what is named a destination raises KeyError
    when the store does not know it.

    The callbacks are called on the loop and must not raise; they may be set at any time.

    Attributes:
        epoch, boot: ids: of the file, random and made with it (`seq` counts within it), and of this boot.
        stamps: which stamp a delivery carries.
        letters: deliveries by hand: dead letters and replays.
        inbox, audit: messages that came in, and what was done by them.
        room: keeps the store within its bounds, while its `run` does.
        on_commit: a step is on disk, and these deliveries of it wait; called in queue order before its
            `commit` returns. Dead letters that are sent again come with an empty step.
        on_failure: everything offered and not committed fell, for this reason; called once for a failed
            transaction, and for each commit that is refused while the disk is given a rest (1 s).
        on_ended: a delivery has come to an end, which is on disk with the next commit.
        on_damaged: a waiting event of this destination and number is damaged and became a dead letter.
        reckon: what is known of the wall clock, for what is stored; until it is set, the clock's own word.
    """

    def __init__(
        self, turns: Turns, counters: Counters, stamps: Stamps, epoch: str, clock: Clock, boot: str, tick: int
    ) -> None:
        self.epoch: Final = epoch
        self.boot: Final = boot
        self.on_commit: OnCommit = _nobody
        self.on_failure: OnFailure = _nobody
        self.on_ended: Callable[[End], None] = _nobody
        self.on_damaged: Callable[[str, int], None] = _nobody
        self.reckon: Callable[[], Reckoning] = lambda: Reckoning(clock.wall() - clock.monotonic())
        self.stamps = stamps
        self.letters: Final = Letters(
            turns,
            counters,
            clock,
            settle=self._settle,
            hand_over=lambda again: self.on_commit(Step(), again),
        )
        self.inbox: Final = Inbox(turns)
        self.audit: Final = Audit(turns)
        self._turns = turns
        self._counters = counters
        self._clock = clock
        self._writer = Writer(turns, counters, listener=self, clock=clock, boot=boot, tick_s=tick / SECOND)
        self.room: Final = Room(turns, counters, self._writer, clock)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        boot: str,
        on_commit: OnCommit = _nobody,
        on_failure: OnFailure = _nobody,
        tick: int = TICK,
    ) -> Self:
        """Open the store's file, or make it.

        Args:
            path: the file; its folder exists.
            clock: for stamps and for resting a full disk.
            boot: id of this boot, kept with every event.
            on_commit: see the class.
            on_failure: see the class.
            tick: nanoseconds after which outcomes and checkpoints go to disk at the latest.

        Raises:
            StoreRefused: in use, from a newer program, another's, not writable: the message says which.
        """
        connection, epoch, counters, kept = await open_or_rescue(path, clock)
        stamps = Stamps(kept, counters.seq)
        store = cls(Turns(connection, path), counters, stamps, epoch, clock, boot, tick)
        store.inbox.horizon, store.audit.size = await horizon_of(connection), await audit_size(connection)
        store.on_commit, store.on_failure = on_commit, on_failure
        return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def commit(self, step: Step) -> None:
        """Return when the step is on disk. A cancelled caller's step is committed all the same.

        Raises:
            StoreUnavailable: it is not stored, nor is anything that queued behind it.
            TypeError: an event has no JSON form; only this step is refused.
            KeyError: it is addressed to a destination that `sync_destinations` was not told of.
        """
        await self._writer.commit(step)
        if step.inbox:
            self.audit.noted(step.inbox)

    def mark(self, mark: Mark) -> None:
        """Keep an outcome; it is on disk with the next commit, at the latest a tick later.

        Raises:
            KeyError: the store does not know this destination.
        """
        self._writer.mark(mark)
        if not isinstance(mark, MarkCharged):
            self.stamps.settle(mark.destination, mark.seq)
            self.on_ended(mark)

    async def correct(self) -> None:
        """`reckon` knows better than before: what waits and nobody has seen is stamped by it.

        Raises:
            StoreUnavailable: the disk does not take it; all is stamped as before.
        """
        await self.commit(Step())  # what was stored with the old reckoning has its number then
        await self.stamps.correct(
            self.reckon(), self.seq, lambda kept: self.commit(Step(states={stamping.KEY: kept}))
        )

    def checkpoint(self, states: Mapping[str, bytes | None]) -> None:
        """Keep rule state, taken from what is committed; rides like outcomes. None deletes."""
        self._writer.checkpoint(states)

    async def flush(self) -> None:
        """Return when every outcome and checkpoint so far is on disk.

        Raises:
            StoreUnavailable: the disk does not take them; they are kept.
        """
        await self._writer.flush()

    async def _settle(self) -> None:
        """Let people see the outcomes that are known by now, if the disk takes them."""
        await self._turns.run(self._writer.settle)

    async def watch(self) -> None:
        """Return when the store was closed; safe to cancel; a defect that ended the writer is raised."""
        await self._turns.watch()

    async def close(self) -> None:
        """Write what is queued and let go of the file; may be called again."""
        await self._writer.close()
        self.room.ballast.close()

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be stored now, with the remedy; None while all is well."""
        return self._writer.unavailable

    @property
    def writing_since(self) -> int | None:
        """Monotonic instant at which the transaction under way began; None: none is (for the watchdog)."""
        return self._writer.writing_since

    @property
    def changes(self) -> int:
        """Another number whenever something is stored or known that was not: who shows it need not read before."""
        return self._turns.changes

    @property
    def seq(self) -> int:
        """The newest event's number; 0 in an empty store."""
        return self._counters.seq

    def waiting_count(self, destination: str | None = None) -> int:
        """How many deliveries have no outcome yet, of one destination or in all."""
        return sum(counter.waiting for counter in self._counters.of(destination))

    def dead_count(self, destination: str | None = None) -> int:
        """How many dead letters there are, of one destination or in all."""
        return sum(counter.dead for counter in self._counters.of(destination))

    def lost_count(self, destination: str) -> int:
        """How many deliveries were given up for want of room since the store was made."""
        return sum(counter.lost for counter in self._counters.of(destination))

    def high_water(self, destination: str) -> int | None:
        """The newest event that was addressed to it; None: none ever was."""
        [counter] = self._counters.of(destination)
        return counter.newest

    def oldest_waiting(self, destination: str) -> Oldest | None:
        """The event that has waited longest, as of the last tick."""
        [counter] = self._counters.of(destination)
        return counter.oldest

    async def states(self) -> dict[str, bytes]:
        """All rule state, at the start."""
        return await self._turns.run(lambda: read_states(self._turns.connection))

    async def waiting(
        self, destination: str, after: int, limit: int, part: Part = Part.ALL, subject: str = ""
    ) -> list[Delivery]:
        """The next `limit` deliveries without an outcome whose `seq` is above `after`, by `seq`.

        `part`: all, the urgent ones, or those of one `subject`. A damaged one is left out: a dead letter.
        """
        [counter] = self._counters.of(destination)
        wanted = queries.Wanted(destination, counter.key, part, subject)
        unwritten = partial(self._writer.unwritten, destination)
        deliveries, damaged = await queries.find_waiting(self._turns, wanted, after, limit, unwritten)
        for seq in damaged:
            _log.error("event %d is damaged, not sent to %s: see to the disk (dmesg)", seq, destination)
            self.mark(MarkDead(destination, seq, self._clock.wall(), DAMAGED))
            self.on_damaged(destination, seq)
        return deliveries

    async def sync_destinations(self, names: Collection[str]) -> dict[str, int]:
        """Tell the store which destinations are configured; before the first commit and after each reload.

        A new one starts now. What waits for a removed one becomes dead letters `destination_removed`;
        should it come back, its chain of `previous` goes on. Returns how many dead letters by name.
        """
        await self._settle()
        return await destinations.sync_destinations(self._turns, self._counters, names, self._clock.wall())

    async def destination_facts(self) -> dict[str, DestinationFacts]:
        """What is kept of each destination's health."""
        return await destinations.read_facts(self._turns)

    async def set_destination(self, name: str, facts: DestinationFacts) -> None:
        """Keep the facts of a destination's health, on disk when this returns."""
        await destinations.write_facts(self._turns, name, facts)

    async def events(self, wanted: EventFilter, limit: int, before_seq: int = _NEWEST) -> list[Listed]:
        """The newest `limit` events that are wanted, with what became of their deliveries, newest last."""
        await self._settle()
        return await queries.find_events(self._turns, self._counters.names, wanted, before_seq, limit)

    async def prune(self, keep_delivered: int) -> int:
        """Delete events that are settled everywhere and older than `keep_delivered` nanoseconds; how many."""
        before, shrink = self._clock.wall() - keep_delivered, not self.room.ballast.spent
        await self.inbox.prune(self._clock.wall(), self.room.limit())
        await self.audit.prune(self._clock.monotonic(), self.reckon())
        return await retention.prune(self._turns, self._counters, before, shrink=shrink)
