"""The road of one reading: rules, then disk, then the destinations' queues. THE place of idea 2.

    async emit(seen)  ->  engine.take  ->  store.commit  ->  engine.keep, offer  ->  emit returns

When `emit` returns, the consequence is on disk. The engine steps on a tentative state: when a commit
fails, the store says so before anybody runs on (`_fell`), the engine falls back, and each waiting
`emit` raises StoreUnavailable. Whoever emits while something tentative is under way waits for it too,
even if its own batch changed nothing: it was computed on top.

Rules for whoever changes this: nothing is awaited between `take` and `commit`, or batches overtake
each other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from agent.clock import Clock
from agent.delivery.body import sendable
from agent.errors import StoreUnavailable
from agent.metrics import EVALUATIONS, EVENTS
from agent.model import SECOND, Command, Event, EventType, Json, Priority, Seen, Tick
from agent.rules.engine import Engine
from agent.rules.inputs import FOREVER
from agent.rules.taken import Taken
from agent.store.messages import InboxChange
from agent.store.records import Addressed, Delivery, Step
from agent.store.store import Store

_log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S: Final = 5.0
_RETRY_S: Final = 1.0
_STORED: Final = {kind: EVENTS.labels(kind.value) for kind in EventType}

Subscribers: TypeAlias = Callable[[Event], tuple[str, ...]]
Offer: TypeAlias = Callable[[Sequence[Delivery]], None]


class Beside(NamedTuple):
    """What is stored in one transaction with something else: events of the house, changes of messages."""

    events: Sequence[Event] = ()
    inbox: Sequence[InboxChange] = ()
    states: Mapping[str, bytes | None] = MappingProxyType({})


NOTHING: Final = Beside()


class Pipeline:
    """Takes what sources see and what the house itself has to say, and makes it last.

    Attributes:
        engine: the rules; replaced whole by a reload.
        subscribers: which destinations an event is addressed to; replaced by a reload.
        note: told of every batch that the rules have taken (for the recorder); must cost next to nothing.
        see: told of every batch that comes, also while nothing can be stored (for the page); likewise.
        on_blind: told of every `agent.blind` that is stored (for the heartbeats).
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        subscribers: Subscribers,
        offer: Offer,
        clock: Clock,
        mint: Callable[[int], str],
    ) -> None:
        self.engine = engine
        self.subscribers = subscribers
        self.note: Callable[[Sequence[Seen]], None] = _forget
        self.see: Callable[[Sequence[Seen]], None] = _forget
        self.on_blind: Callable[[Event], None] = _nobody
        self._store = store
        self._offer = offer
        self._clock = clock
        self._mint = mint
        self._under_way: deque[tuple[Step, Taken]] = deque()
        self._sooner = asyncio.Event()
        self._next_tick = FOREVER
        self._blind_since: int | None = None
        self._fallen = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._own: asyncio.Queue[Event] = asyncio.Queue()
        store.on_commit = self._kept
        store.on_failure = self._fell

    @property
    def blind_since(self) -> int | None:
        """Since when rules hold their state because nothing can be stored; None: they do not."""
        return self._blind_since

    # --- what comes in ---------------------------------------------------------------------------

    async def emit(self, batch: Sequence[Seen]) -> None:
        """Return when all that follows from `batch` is on disk.

        Raises:
            StoreUnavailable: nothing of the batch was taken; offer it again, or newer values.
        """
        self.see(batch)
        if not self._open.is_set():
            await self._open.wait()
        taken = self.engine.take(batch)
        EVALUATIONS.inc(self.engine.evaluations)
        await self.settle(taken)
        self.note(batch)

    async def replace_engine(self, engine: Engine) -> None:
        """Let changed rules go on where the present ones stand; meanwhile every `emit` waits.

        Raises:
            StoreUnavailable: the store does not take their state now; the present rules go on.
        """
        before = self.engine
        self._open.clear()
        try:
            await self._store.commit(Step())  # whatever is tentative is on disk then
            self.engine = engine
            await self.settle(engine.take_over(before))
        except StoreUnavailable:
            self.engine = before
            raise
        finally:
            self._open.set()

    async def obey(self, commands: Sequence[Command], beside: Beside) -> str:
        """Carry out a person's orders: all of them or, for the reason that it gives, none; raises like `emit`.

        What follows of them is stored in one transaction with `beside`.
        """
        if not self._open.is_set():
            await self._open.wait()
        refused = [why for command in commands if (why := self.engine.refusal(command))]
        if not refused:
            await self.settle(self.engine.take(commands), beside)
        return "; ".join(refused)

    async def settle(self, taken: Taken, beside: Beside = NOTHING) -> None:
        """Return when `taken`, just taken from the engine, is on disk; raises like `emit`."""
        due = self.engine.due
        if due is not None and due < self._next_tick:
            self._sooner.set()
        if taken.durable:
            step = self._step(taken, beside)
            self._under_way.append((step, taken))
            await self._store.commit(step)
        elif self.engine.tentative or beside is not NOTHING:
            await self.add(beside)

    async def add(self, beside: Beside) -> None:
        """Return when this is on disk; raises like `emit`."""
        await self._store.commit(
            Step(tuple(map(self._addressed, beside.events)), beside.states, beside.inbox)
        )

    def _step(self, taken: Taken, beside: Beside) -> Step:
        events = tuple(map(self._addressed, (*taken.events, *beside.events)))
        return Step(events, {**taken.states, **beside.states}, beside.inbox)

    def _addressed(self, event: Event) -> Addressed:
        """To whom it goes; what the store cannot write would leave the engine tentative for ever."""
        return Addressed(sendable(event), self.subscribers(event))

    def _kept(self, step: Step, deliveries: Sequence[Delivery]) -> None:
        """A step is on disk (called by the store, in order)."""
        if self._under_way and self._under_way[0][0] is step:
            self.engine.keep(self._under_way.popleft()[1])
        for addressed in step.events:
            _STORED[addressed.event.type].inc()
            if addressed.event.type is EventType.AGENT_BLIND:
                self.on_blind(addressed.event)
        self._offer(deliveries)

    def _fell(self, reason: str) -> None:
        """Nothing that was offered is on disk (called by the store, before any `emit` goes on)."""
        self._under_way.clear()
        lost_from = self.engine.fall_back()
        if self._blind_since is None:
            _log.warning("rules hold their state, because nothing can be stored: %s", reason)
            self._blind_since = self._clock.monotonic() if lost_from is None else lost_from
            self._fallen.set()
        self._sooner.set()  # what fell due in what fell is due again

    # --- what the house itself does ---------------------------------------------------------------

    async def tick_forever(self) -> None:
        """Let time pass for the rules: wake up when the next delay runs out, whatever the sources do."""
        while True:
            self._sooner.clear()
            due = self.engine.due
            self._next_tick = FOREVER if due is None else due
            wait = None if due is None else max(0.0, (due - self._clock.monotonic()) / SECOND)
            try:
                async with asyncio.timeout(wait):
                    await self._sooner.wait()
            except TimeoutError:
                await self._tick()

    async def _tick(self) -> None:
        try:
            await self.emit([Tick(self._clock.monotonic())])
        except StoreUnavailable:
            await asyncio.sleep(_RETRY_S)

    async def checkpoint_forever(self) -> None:
        """Keep what may be a few seconds old: peaks, pauses, the newest stamps of messages."""
        while True:
            await asyncio.sleep(CHECKPOINT_EVERY_S)
            self.checkpoint()

    def checkpoint(self) -> None:
        """Hand what changed since the last checkpoint to the store, unless it is still tentative."""
        if states := self.engine.unsaved():
            self._store.checkpoint(states)

    def remember(self, states: Mapping[str, bytes | None]) -> None:
        """Keep what is no rule's state, by the store's key; it rides with the next commit. None deletes."""
        self._store.checkpoint(states)

    def announce(self, event: Event) -> None:
        """Take an event of the house itself (a failing destination, say); it is stored in its turn."""
        self._own.put_nowait(event)

    async def announce_forever(self) -> None:
        """Store the house's own events, and the interval in which nothing could be stored."""
        while True:
            event = await self._own.get()
            while not await self.tell(event):  # noqa: ASYNC110 - the disk raises no event when it has room
                await asyncio.sleep(_RETRY_S)

    async def recover_forever(self) -> None:
        """After a failed commit, try each second; the first that succeeds tells how long nobody watched."""
        while True:
            await self._fallen.wait()
            await asyncio.sleep(_RETRY_S)
            since, now = self._blind_since or 0, self._clock.monotonic()
            if await self.tell(self.blind(since, now, "store")):
                self._blind_since = None
                self._fallen.clear()
                _log.warning("rules go on: events are stored again after %.0f s", (now - since) / SECOND)

    async def tell(self, event: Event, states: Mapping[str, bytes | None] = MappingProxyType({})) -> bool:
        """Store an event of the house, and `states` with it; False if the store does not take it now."""
        try:
            await self._store.commit(Step((self._addressed(event),), states))
        except StoreUnavailable:
            return False
        return True

    # --- the house's own events ---------------------------------------------------------------------

    def event(self, kind: EventType, data: dict[str, Json], instants: dict[str, int] | None = None) -> Event:
        """Make an event about the agent itself, now."""
        now = self._clock.monotonic()
        return Event(self._mint(now), kind, now, "agent", Priority.JOURNAL, data, instants or {})

    def blind(self, since: int, until: int, reason: str, *, source: str = "") -> Event:
        """Make the event that tells receivers of an interval in which nothing was watched (of one source)."""
        data: dict[str, Json] = {"reason": reason, "duration_s": (until - since) / SECOND}
        if source:
            data["source"] = source
        return self.event(EventType.AGENT_BLIND, data, {"blind.from": since, "blind.to": until})


def _forget(_: Sequence[Seen]) -> None:
    """Nobody records what was seen."""


def _nobody(_: Event) -> None:
    """Nobody keeps what was not watched."""
