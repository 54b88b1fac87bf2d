"""All destinations at work: who is asked, who is handed what, and what is kept of their health."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from typing import Final, NoReturn

from agent.clock import Clock
from agent.config.messages import did_you_mean
from agent.delivery.body import Identity
from agent.delivery.judge import Fault
from agent.delivery.subscription import Subscription, subscribers
from agent.desk import UnknownError
from agent.destinations import open_destination
from agent.destinations.base import Destination
from agent.destinations.config import DestinationConfig
from agent.dispatch.health import House
from agent.dispatch.loop import Dispatcher
from agent.dispatch.notices import notice
from agent.dispatch.status import DestinationState, DestinationStatus
from agent.errors import StoreUnavailable
from agent.fallback import Fallbacks
from agent.holding import Holding, remedy
from agent.model import SECOND, Event, EventType, Json
from agent.renewals import Renewals
from agent.stamps import Reckoning
from agent.store.alive import away, now
from agent.store.records import Delivery, DestinationFacts
from agent.store.store import Store

_log = logging.getLogger(__name__)

_RETRY_S = 5.0
_LOOK_EVERY_S: Final = 1.0


class Outlets:
    """See the module. `run` first; then `change` starts, replaces and stops destinations.

    Attributes:
        announce: takes the `delivery.*` events; set by whoever wires the house.
        holding: the operator's hand on them.
        renewals: their certificates.
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        clock: Clock,
        dice: Callable[[], float],
        mint: Callable[[int], str],
    ) -> None:
        self.announce: Callable[[Event], None] = lambda _: None
        self._store = store
        self._clock = clock
        self._house = House(
            identity, clock, dice, mint, self._announce, self._keep, self._way_is_back, store.boot
        )
        self._configs: dict[str, DestinationConfig] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._receivers: dict[str, Destination] = {}
        self._at_work: dict[str, tuple[Dispatcher, asyncio.Task[None]]] = {}
        self._facts: dict[str, DestinationFacts] = {}
        self._changed = asyncio.Event()
        self.holding = Holding(store, clock, self.dispatcher, self.kept)
        self._fallbacks = Fallbacks(store, clock, self._sections)
        self.renewals = Renewals(clock, self._sections)
        self._tasks: asyncio.TaskGroup | None = None

    # --- the pipeline's side -----------------------------------------------------------------------------

    def subscribers(self, event: Event) -> tuple[str, ...]:
        """Which destinations an event is addressed to."""
        return subscribers(event, self._subscriptions)

    def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Hand over what was just committed."""
        for delivery in deliveries:
            at_work = self._at_work.get(delivery.destination)
            if at_work is not None:  # else it is in the store, and read when the destination starts
                at_work[0].offer(delivery)

    # --- life --------------------------------------------------------------------------------------------

    def address(self, configs: Mapping[str, DestinationConfig]) -> None:
        """From now on events are addressed to these; the store knows them already."""
        self._subscriptions = {name: config.subscription() for name, config in configs.items()}

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._look_forever(), name="destinations by hand")
            self._tasks.create_task(self._fallbacks.run(), name="fallbacks")
            self._tasks.create_task(self.renewals.run(), name="certificates of destinations")
            await self._keep_forever()

    async def change(self, configs: Mapping[str, DestinationConfig]) -> None:
        """Start what is new, stop what is gone, and replace what changed; the others are not touched."""
        if self._tasks is None:
            raise RuntimeError("`run` comes first")
        for name in [name for name in self._at_work if configs.get(name) != self._configs[name]]:
            await self._end(name)
        facts = await self._store.destination_facts() | self._facts  # the latter are on their way there
        for name, config in configs.items():
            if name not in self._at_work:
                known = facts.get(name, DestinationFacts())
                await self._begin(self._tasks, name, config, known)
        self.renewals.look()

    async def _begin(
        self, tasks: asyncio.TaskGroup, name: str, config: DestinationConfig, facts: DestinationFacts
    ) -> None:
        opened = AsyncExitStack()
        destination = await opened.enter_async_context(
            open_destination(name, config, self._clock, self._house.identity)
        )
        dispatcher = Dispatcher(name, config, destination, self._store, self._house, facts)

        async def work() -> None:
            async with opened:
                await dispatcher.run()

        self._configs[name], self._receivers[name] = config, destination
        self.holding.take_up(name, facts)
        self._at_work[name] = dispatcher, tasks.create_task(work(), name=f"destination {name}")

    def _sections(self) -> Mapping[str, DestinationConfig]:
        return {name: self._configs[name] for name in self._at_work}

    async def _look_forever(self) -> NoReturn:
        """Look each second whether a pause is over."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.holding.look()

    async def _end(self, name: str) -> None:
        dispatcher, task = self._at_work.pop(name)
        del self._receivers[name]
        await dispatcher.stop()
        task.cancel()
        await asyncio.wait([task])
        self.holding.forget(name)

    async def stop(self) -> None:
        """Begin nothing new, and give what is under way a moment."""
        await asyncio.gather(*(dispatcher.stop() for dispatcher, _ in self._at_work.values()))

    # --- what must survive a restart -----------------------------------------------------------------------

    def _keep(self, name: str, facts: DestinationFacts) -> None:
        self._facts[name] = self.holding.with_pause(name, facts)
        self._changed.set()

    async def _keep_forever(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for name in list(self._facts):
                facts = self._facts[name]  # not as it was before the last one was written
                try:
                    await self._store.set_destination(name, facts)
                except StoreUnavailable:
                    await asyncio.sleep(_RETRY_S)
                    self._changed.set()
                else:
                    if self._facts[name] is facts:
                        del self._facts[name]

    def _announce(self, event: Event) -> None:
        self.announce(event)

    def damaged(self, destination: str, seq: int) -> None:
        """A waiting event was found damaged on disk, and became a dead letter."""
        now = self._clock.monotonic()
        reason = "it is damaged on disk"
        kind = EventType.DELIVERY_DEAD
        self.announce(notice(kind, destination, reason, now, self._house.mint, seq=seq))

    def _way_is_back(self, name: str) -> None:
        for other, (dispatcher, _) in self._at_work.items():
            if other != name:
                dispatcher.way_is_back()

    @property
    def lost(self) -> bool:
        """Whether a destination waits for its connection to come back."""
        outages = (dispatcher.health.outage for dispatcher, _ in self._at_work.values())
        return any(outage is not None and outage.fault is Fault.LINK for outage in outages)

    def way_is_back(self) -> None:
        """This machine has a way to the outside that it had not: maybe it is the one that was lost."""
        self._way_is_back("")

    def receiver_clocks(self) -> dict[str, int]:
        """What verified receivers make of our monotonic instants, nanoseconds to UTC, by destination."""
        offsets = {name: receiver.utc_offset for name, receiver in self._receivers.items()}
        return {name: offset for name, offset in offsets.items() if offset is not None}

    # --- heartbeats -------------------------------------------------------------------------------------------

    def hearing(self) -> list[str]:
        """The destinations that are well and are sent heartbeats."""
        well = DestinationState.HEALTHY
        return [
            name
            for name, (dispatcher, _) in self._at_work.items()
            if dispatcher.health.state[0] is well and _hears_heartbeats(self._configs[name])
        ]

    async def beat(self, name: str, event: Event, at: Reckoning) -> None:
        """Make one attempt to send a heartbeat, whose outcome changes nothing."""
        await self.dispatcher(name).beat(event, at)

    # --- what people ask -------------------------------------------------------------------------------------

    def dispatcher(self, name: str) -> Dispatcher:
        """Who sends to a destination.

        Raises:
            UnknownError: there is none of this name.
        """
        if name not in self._at_work:
            raise UnknownError(f"there is no destination {name}{did_you_mean(name, self._at_work)}")
        return self._at_work[name][0]

    @property
    def at_work(self) -> Mapping[str, tuple[DestinationConfig, Dispatcher]]:
        """Those that are sent to, by name."""
        return {name: (self._configs[name], dispatcher) for name, (dispatcher, _) in self._at_work.items()}

    async def kept(self, name: str) -> None:
        """Have its facts on disk before somebody is told so; a disk that takes nothing now has them later."""
        with suppress(StoreUnavailable, KeyError):
            await self._store.set_destination(name, self._facts[name])

    def status(self) -> dict[str, Json]:
        """What people are told, by name."""
        told: dict[str, Json] = {}
        for name, (dispatcher, _) in self._at_work.items():
            status = asdict(dispatcher.status) | {"state": dispatcher.status.state.value}
            told[name] = status | {
                "waiting": self._store.waiting_count(name),
                "dead": self._store.dead_count(name),
                "oldest_s": self._oldest(name),
            }
        return told

    def _oldest(self, name: str) -> float | None:
        oldest = self._store.oldest_waiting(name)
        return None if oldest is None else away(oldest.at, now(self._clock, self._store.boot)) / SECOND

    def problems(self) -> list[str]:
        """Why events do not arrive, a sentence each."""
        states = {name: dispatcher.health.state for name, (dispatcher, _) in self._at_work.items()}
        return [
            f"destination {name} is {state.value}: {reason}"
            f"{remedy(name) if state is DestinationState.DISABLED else ''}"
            for name, (state, reason) in states.items()
            if state in (DestinationState.FAILING, DestinationState.DISABLED)
        ]

    def delayed(self) -> list[str]:
        """What is not sent yet because the last attempt failed, which may mend itself, a sentence each."""
        found = []
        for name, (dispatcher, _) in self._at_work.items():
            state, reason = dispatcher.health.state
            waiting = self._store.waiting_count(name)
            waits = f"(events that wait: {waiting})"
            if state is DestinationState.WAITING:
                found.append(f"destination {name} is waiting {waits}: {reason}")
            elif state is DestinationState.HEALTHY and reason and waiting:
                found.append(
                    f"destination {name} has refused an event, which is sent again {waits}: {reason}"
                )
        return found

    def measured(self) -> Iterator[tuple[str, DestinationStatus, float | None]]:
        """What monitoring is told: each with its status, and the age of the oldest that waits, seconds."""
        for name, (dispatcher, _) in self._at_work.items():
            yield name, dispatcher.status, self._oldest(name)


def _hears_heartbeats(config: DestinationConfig) -> bool:
    """A template speaks to people, as a rule: a room that is told every minute is read by nobody."""
    return config.subscription().hears_heartbeats(by_name=config.format == "template")
