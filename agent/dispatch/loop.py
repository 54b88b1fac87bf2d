"""The loop of one destination: when what waits is tried, and how much of it side by side.

While the destination is well, up to `concurrency` subjects are under way side by side. While it backs
off there is one probe at a time, each of the next other subject, and none before the gate opens.

Rules for whoever changes this: what came of an attempt is `sending`'s; nothing here waits for the
store, except for pages of what it holds.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from agent.destinations.base import Destination, DestinationSection
from agent.dispatch.backlog import Backlog
from agent.dispatch.entry import Entry
from agent.dispatch.health import Health, House
from agent.dispatch.outbox import Outbox
from agent.dispatch.pace import Pace
from agent.dispatch.sending import Sending
from agent.dispatch.status import DestinationState, DestinationStatus
from agent.model import SECOND, Event
from agent.stamps import Reckoning, Standing
from agent.store.alive import Moment, away, now
from agent.store.records import Delivery, DestinationFacts

_STOP_WITHIN_S: Final = 3.0
_LEAST_WAIT_S: Final = 0.001
_EXPIRE_EVERY: Final = 5 * SECOND
EXPIRED: Final = "expired"


class Dispatcher:
    """See the module. `run` works until cancelled; `offer` hands over what was just committed."""

    def __init__(
        self,
        name: str,
        section: DestinationSection,
        destination: Destination,
        outbox: Outbox,
        house: House,
        facts: DestinationFacts,
    ) -> None:
        self.health = Health(name, house, facts)
        self._name = name
        self._section = section
        self._destination = destination
        self._house = house
        self._clock = house.clock
        self._backlog = Backlog(
            name,
            outbox,
            house.clock,
            longest_wait=max(section.retry),
            strict=section.order == "strict",
            lanes=section.lanes == "on",
            boot=house.boot,
        )
        self._in_flight = 0
        self._resting: deque[asyncio.Future[None]] = deque()
        self._changed = asyncio.Event()  # what may be tried, or when, is not what it was
        self._ended = asyncio.Event()
        self._stopping = False
        self._pace = Pace(section.concurrency, section.rate_limit)
        if self.health.outage is not None:
            self._pace.begin_anew()
        parts = (self._backlog, self.health, self._pace)
        self._sending = Sending(name, section, destination, outbox, house, parts)
        self._batch_at: int | None = None
        self._expire_at = 0
        self._began = house.clock.monotonic()
        self._opens_at: int | None = None

    # --- the caller's side ---------------------------------------------------------------------------

    def offer(self, delivery: Delivery) -> None:
        """Take a delivery that was just committed (or that a person sends again)."""
        if self._backlog.offer(delivery):
            if self._batch_at is None and self._section.batching is not None:
                self._batch_at = self._clock.monotonic() + self._section.batching.max_wait
                self._changed.set()
            if self.health.new_event():
                self._backlog.queue.promote(delivery)
                self._changed.set()
            self._rouse()

    def enable(self) -> None:
        """Take up a disabled destination again, and try at once what it has refused."""
        self.health.enable()
        self._hurry()

    def pause(self, why: str) -> None:
        """Begin nothing more until `resume`; what comes meanwhile waits."""
        self.health.pause(why)

    def resume(self) -> None:
        """Take up a paused destination again, and try at once what it has refused."""
        self.health.resume()
        self._hurry()

    def _hurry(self) -> None:
        self._backlog.queue.hurry(self._clock.monotonic())
        self._changed.set()

    async def beat(self, event: Event, at: Reckoning) -> None:
        """Send a heartbeat, stamped by `at`: once, and only while the destination is well."""
        if self.health.state[0] is DestinationState.HEALTHY and not self._stopping:
            await self._sending.beat(event, at)

    def way_is_back(self) -> None:
        """Another destination has its connection back after a loss: maybe this one shared it."""
        self.health.way_is_back()
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then stays pending."""
        async with asyncio.TaskGroup() as tasks:
            name = f"destination {self._name}"
            tasks.create_task(self._backlog.read(self._changed.set), name=f"{name} backlog")
            for number in range(self._section.concurrency):
                tasks.create_task(self._work(), name=f"{name} worker {number}")
            await self._keep_time()

    async def stop(self) -> None:
        """Begin nothing new, and give what is under way a moment."""
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN_S):
                while self._in_flight:
                    self._ended.clear()
                    await self._ended.wait()

    @property
    def status(self) -> DestinationStatus:
        """What people are told."""
        now, outage = self._clock.monotonic(), self.health.outage
        state, reason = self.health.state
        recent = self._sending.attempts.recent
        return DestinationStatus(
            state=state,
            reason=reason,
            failures=0 if outage is None else outage.failures,
            for_s=0 if outage is None else (now - outage.since) // SECOND,
            retry_in_s=max(0, (self.retry_at or now) - now) // SECOND,
            in_memory=len(self._backlog.queue),
            in_flight=self._in_flight,
            concurrency=self._section.concurrency,
            width=self._pace.width,
            delivered=self.health.delivered,
            latency_s=self._sending.attempts.latency,
            clock_offset_s=self._destination.clock_offset / SECOND,
            attempts=recent.attempts,
            succeeded=recent.succeeded,
            median_s=recent.latency_s,
        )

    @property
    def retry_at(self) -> int | None:
        """When one may be made: after the destination's own wait, or that of all that is refused; None: nothing waits so.

        In the past: any moment now, or it is being made.
        """
        outage, queue = self.health.outage, self._backlog.queue
        due = None if queue.ready or self._in_flight else queue.next_due()
        instants = [None if outage is None else outage.gate, due]
        return max((instant for instant in instants if instant is not None), default=None)

    # --- when ----------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Make one attempt after the other; rest while there is none to make."""
        while True:
            entries = self._next()
            if not entries:
                await self._rest()
                continue
            if self._backlog.queue.ready:
                self._rouse()  # whoever finds work sends the next to look
            self._in_flight += 1
            self._reset_time()
            outage = self.health.outage
            try:
                await self._sending.send(entries)
            finally:
                self._in_flight -= 1
                self._ended.set()
                if self.health.outage is not outage or outage is not None:
                    self._changed.set()
                self._reset_time()

    def _next(self) -> Sequence[Entry]:
        """Give what may be tried now, together in one request."""
        if self._stopping or not self.health.admits(self._in_flight) or self._in_flight >= self._pace.width:
            return ()
        present = self._clock.monotonic()
        room = self._pace.room(present, self._most(present))
        if not room:
            self._wait_for_room(present)
            return ()
        entries = self._backlog.queue.take(present, room)
        if any(map(self._expired, entries)):
            self._backlog.queue.put_back(entries, present)
            self._expire()
            return self._next()
        self._pace.spend(present, len(entries))
        return entries

    def _wait_for_room(self, present: int) -> None:
        """The limit is used up: have the time of its next opening looked up, once."""
        opens = self._pace.opens_at(present)
        if opens is not None and opens != self._opens_at:
            self._opens_at = opens
            self._changed.set()

    def _most(self, present: int) -> int:
        """How many events the next request may carry; 0: it is worth waiting for more."""
        batching = self._section.batching
        if batching is None:
            return 1
        full = len(self._backlog.queue) >= batching.max_events
        if not full and self._batch_at is not None and present < self._batch_at:
            return 0
        self._batch_at = None
        return batching.max_events

    async def _rest(self) -> None:
        roused = asyncio.get_running_loop().create_future()
        self._resting.append(roused)
        await roused

    def _rouse(self) -> None:
        """Send one of the resting workers to look for work."""
        while self._resting:
            roused = self._resting.popleft()
            if not roused.done():  # else its worker was cancelled
                roused.set_result(None)
                return

    def _reset_time(self) -> None:
        """Have the next instant looked up again, where there is one: the one waited for may have been taken."""
        if self._backlog.queue.next_due() is not None:
            self._changed.set()

    async def _keep_time(self) -> None:
        """Rouse a worker whenever time has let something through, and say in time that it is failing."""
        while True:
            self._changed.clear()
            self.health.announce()
            if self._clock.monotonic() >= self._expire_at:
                self._expire()
            self._rouse()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._changed.wait()

    def _pause(self) -> float | None:
        """Seconds until time alone lets something happen; None: nothing until somebody wakes the loop."""
        now = self._clock.monotonic()
        # Also those that are for nothing that waits yet: what comes later does not wake this loop.
        instants = [self._backlog.queue.next_due(), self.health.announce_at(), self._batch_at]
        instants += [self._pace.opens_at(now), self._expire_at if self._section.max_age else None]
        if self.health.outage is not None:
            instants.append(self.health.outage.gate)
        ahead = [instant - now for instant in instants if instant is not None and instant > now]
        # Event loops fire timers a hair early: without the least wait the rest of a nanosecond would spin.
        return max(min(ahead) / SECOND, _LEAST_WAIT_S) if ahead else None

    # --- what is too old ---------------------------------------------------------------------------------

    def _expire(self) -> None:
        """Give up what has waited for longer than `max_age`, also while nothing can be sent."""
        if self._section.max_age is None:
            return
        present = self._clock.monotonic()
        self._expire_at = present + _EXPIRE_EVERY
        if gone := self._backlog.queue.withdraw(self._expired, present):
            self._sending.bury(gone, EXPIRED)
        self._backlog.read_on()

    def _expired(self, entry: Entry) -> bool:
        """What a person sent again never is: its age was known."""
        if self._section.max_age is None or entry.delivery.resent:
            return False
        stored = entry.delivery.stored
        if stored.standing is Standing.WRONG and stored.boot != self._house.boot:
            # Nobody knows when that was: it counts from when this destination began.
            return self._clock.monotonic() - self._began > self._section.max_age
        made = Moment(stored.boot, stored.event.at, stored.event.at + stored.offset)
        return away(made, now(self._clock, self._house.boot)) > self._section.max_age
