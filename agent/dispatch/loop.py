"""The loop of one destination: what waits is tried, what came of it is judged and noted.

While the destination is well, up to `concurrency` subjects are under way side by side. While it backs
off there is one probe at a time, each of the next other subject, and none before the gate opens.

Rules for whoever changes this: `judge` decides, here its verdict is carried out; the outcome is noted
in the outbox before the next delivery of the subject is taken; nothing here waits for the store,
except for pages of what it holds.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Final

from agent.delivery.body import Place, render
from agent.delivery.judge import Crash, Dead, Delivered, Disable, Fault, History, Retry, judge
from agent.delivery.schedule import own_wait
from agent.destinations.base import Destination, DestinationSection, Message
from agent.dispatch.attempts import Attempts, attempt_record
from agent.dispatch.backlog import Backlog, Outbox
from agent.dispatch.health import Health, House
from agent.dispatch.queue import Entry
from agent.dispatch.status import DestinationStatus
from agent.metrics import DEAD_LETTERS
from agent.model import SECOND, Answer, EventType, NoAnswer
from agent.store.records import (
    Attempt,
    Delivery,
    DestinationFacts,
    Mark,
    MarkCharged,
    MarkDead,
    MarkDelivered,
)

_log = logging.getLogger(__name__)

_STOP_WITHIN_S: Final = 3.0
_LEAST_WAIT_S: Final = 0.001


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
        self._outbox = outbox
        self._house = house
        self._clock = house.clock
        self._backlog = Backlog(
            name, outbox, house.clock, strict=section.order == "strict", longest_wait=max(section.retry)
        )
        self._in_flight = 0
        self._resting: deque[asyncio.Future[None]] = deque()
        self._changed = asyncio.Event()  # what may be tried, or when, is not what it was
        self._ended = asyncio.Event()
        self._stopping = False
        self._crashed: set[int] = set()
        self._attempts = Attempts(name)

    # --- the caller's side ---------------------------------------------------------------------------

    def offer(self, delivery: Delivery) -> None:
        """Take a delivery that was just committed (or that a person sends again)."""
        if self._backlog.offer(delivery):
            if self.health.new_event():
                self._backlog.queue.promote(delivery)
                self._changed.set()
            self._rouse()

    def enable(self) -> None:
        """Take up a disabled destination again."""
        self.health.enable()
        self._changed.set()

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
        return DestinationStatus(
            state=state,
            reason=reason,
            for_s=0 if outage is None else (now - outage.since) // SECOND,
            retry_in_s=0 if outage is None else max(0, outage.gate - now) // SECOND,
            in_memory=len(self._backlog.queue),
            in_flight=self._in_flight,
            delivered=self.health.delivered,
            latency_s=self._attempts.latency,
            clock_offset_s=self._destination.clock_offset / SECOND,
        )

    # --- when ----------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Make one attempt after the other; rest while there is none to make."""
        while True:
            entry = self._next()
            if entry is None:
                await self._rest()
                continue
            if self._backlog.queue.ready:
                self._rouse()  # whoever finds work sends the next to look
            self._in_flight += 1
            self._reset_time()
            try:
                await self._attempt(entry)
            finally:
                self._in_flight -= 1
                self._ended.set()
                self._reset_time()

    def _next(self) -> Entry | None:
        """Give what may be tried now."""
        if self._stopping or not self.health.admits(self._in_flight):
            return None
        return self._backlog.queue.take(self._clock.monotonic())

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
            self._rouse()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._changed.wait()

    def _pause(self) -> float | None:
        """Seconds until time alone lets something happen; None: nothing until somebody wakes the loop."""
        instants = [self._backlog.queue.next_due(), self.health.announce_at()]
        if self.health.outage is not None and self._backlog.queue:
            instants.append(self.health.outage.gate)
        now = self._clock.monotonic()
        ahead = [instant - now for instant in instants if instant is not None and instant > now]
        # Event loops fire timers a hair early: without the least wait the rest of a nanosecond would spin.
        return max(min(ahead) / SECOND, _LEAST_WAIT_S) if ahead else None

    # --- one attempt -----------------------------------------------------------------------------------

    async def _attempt(self, entry: Entry) -> None:
        """Make one attempt and carry out what it means."""
        began_wall = self._clock.wall()
        outcome = await self._deliver(entry)
        verdict = judge(outcome, self._history(entry))
        self._attempts.note(entry, outcome, verdict)
        if isinstance(verdict, Delivered):
            self._settle(entry, MarkDelivered(self._name, entry.seq, self._clock.wall()))
            self.health.succeeded()
            return
        attempt = attempt_record(outcome, began_wall)
        match verdict:
            case Dead(why=why):
                self._settle(entry, MarkDead(self._name, entry.seq, self._clock.wall(), why, attempt))
                DEAD_LETTERS.labels(self._name).inc()
                if _notable(entry):
                    self.health.tell(EventType.DELIVERY_DEAD, why, seq=entry.seq)
            case Disable(why=why):
                self._backlog.queue.put_back(entry, self._clock.monotonic())
                self.health.disable(why)
            case Retry():
                self._retry(entry, verdict, attempt)
                self.health.failed(entry.seq, verdict, notable=_notable(entry))
        self._changed.set()

    async def _deliver(self, entry: Entry) -> Answer | NoAnswer | Crash:
        stored = entry.delivery.stored
        known = await self._outbox.stamps.stamp(self._name, stored)
        late = entry.delivery.resent
        place = Place(entry.seq, entry.delivery.previous, known.offset, known.standing, late=late)
        try:
            body = render(stored.event, place, self._house.identity)
            outcome = await self._destination.deliver(Message(stored.event.id, body))
        except Exception as error:  # noqa: BLE001 - a poison event must neither stop nor spin the loop (design: errors)
            if entry.seq not in self._crashed:
                self._crashed.add(entry.seq)
                _log.exception("destination %s: event %d could not be sent", self._name, entry.seq)
            return Crash(f"crash: {type(error).__name__}, see the agent's log")
        if isinstance(outcome, NoAnswer) and outcome.unsent:
            self._outbox.stamps.unseen(self._name, entry.seq)
        return outcome

    def _history(self, entry: Entry) -> History:
        now, health = self._clock.monotonic(), self.health
        alone = entry.passed_at is not None and not self._backlog.others(entry.delivery)
        return History(
            dice=self._house.dice(),
            wall=self._clock.wall(),
            charged=entry.delivery.charged,
            passed=entry.passed_at is not None and health.delivered > entry.passed_at,
            lone=now - entry.counts_from if alone else 0,
            failures=0 if health.outage is None else health.outage.failures,
            outage=0 if health.outage is None else now - health.outage.since,
            refused=len(health.refused - {entry.seq}),
            schedule=self._section.retry,
            plain_http=self._section.plain_http,
        )

    def _retry(self, entry: Entry, retry: Retry, attempt: Attempt) -> None:
        """Put the delivery back, to wait by its own schedule if the attempt was charged."""
        now, delivery = self._clock.monotonic(), entry.delivery
        waits = retry.after if retry.fault is Fault.EVENT else 0
        counts_from = entry.counts_from if entry.passed_at is not None else now
        if retry.charged:
            waits = own_wait(self._section.retry, delivery.charged)
            due = self._clock.wall() + waits
            self._outbox.mark(MarkCharged(self._name, entry.seq, attempt, due))
            delivery, counts_from = replace(delivery, charged=delivery.charged + 1, due_wall=due), now
        tried = Entry(delivery, now + waits if waits else 0, self.health.delivered, counts_from)
        self._backlog.queue.put_back(tried, now)

    def _settle(self, entry: Entry, mark: Mark) -> None:
        """The delivery is over."""
        self._crashed.discard(entry.seq)
        self._outbox.mark(mark)
        self._backlog.settle(entry)


def _notable(entry: Entry) -> bool:
    """Events about deliveries make no such events of their own."""
    return not entry.delivery.stored.event.type.startswith("delivery.")
