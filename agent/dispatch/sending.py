"""One request to one destination: written, sent, judged, and what the verdict means carried out.

A request carries one event, or several where the receiver agreed to batches.

Rules for whoever changes this: `judge` decides, here its verdict is carried out; the outcome is noted
in the outbox before the next delivery of a subject is taken.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from agent.delivery.batch import Split, batch_id, half, split
from agent.delivery.body import Place
from agent.delivery.judge import Crash, Dead, Delivered, Disable, Fault, History, Retry, Scope, judge
from agent.delivery.schedule import own_wait
from agent.destinations.base import Destination, DestinationSection, Message
from agent.dispatch.attempts import Attempts, attempt_record
from agent.dispatch.backlog import Backlog
from agent.dispatch.entry import Entry
from agent.dispatch.health import Health, House
from agent.dispatch.outbox import Outbox
from agent.dispatch.pace import Pace
from agent.formats import FormatError, open_format
from agent.metrics import DEAD_LETTERS
from agent.model import Answer, Event, EventType, NoAnswer
from agent.stamps import Reckoning
from agent.store.records import Attempt, MarkCharged, MarkDead, MarkDelivered

_log = logging.getLogger(__name__)


class Sending:
    """Makes the requests of one destination, one for each call of `send`."""

    def __init__(
        self,
        name: str,
        section: DestinationSection,
        destination: Destination,
        outbox: Outbox,
        house: House,
        parts: tuple[Backlog, Health, Pace],
    ) -> None:
        self.attempts = Attempts(name)
        self._name = name
        self._section = section
        self._destination = destination
        self._outbox = outbox
        self._house = house
        self._clock = house.clock
        self._backlog, self._health, self._pace = parts
        self._format = open_format(section, house.identity)
        self._crashed: set[int] = set()

    async def send(self, entries: Sequence[Entry]) -> None:
        """Make one request with what was taken together, and carry out what came of it."""
        began_wall = self._clock.wall()
        outcome = await self._deliver(entries)
        verdict = judge(outcome, self._history(entries))
        self.attempts.note(entries, outcome, verdict)
        if isinstance(verdict, Delivered):
            self._delivered(entries)
            return
        if len(entries) > 1 and (apart := split(outcome)) is not Split.NO:
            entries = [replace(entry, company=half(len(entries))) for entry in entries]
            if apart is Split.NOW and not isinstance(verdict, Disable):
                self._put_back(entries)
                return
        attempt = attempt_record(outcome, began_wall)
        match verdict:
            case Dead(why=why):
                self.give_up(entries, why, attempt)
            case Disable(why=why):
                self._put_back(entries)
                self._health.disable(why)
            case Retry():
                self._retry(entries, verdict, attempt)

    async def beat(self, event: Event, at: Reckoning) -> None:
        """Send what is neither kept nor repeated, once: whether it arrives shows at the other end."""
        place = Place(None, None, at.offset, at.standing)
        try:
            body = self._format.one(event, place)
        except FormatError:
            return  # the format has no words for it
        await self._destination.deliver(self._request([body], (event,)))

    def _delivered(self, entries: Sequence[Entry]) -> None:
        now = self._clock.wall()
        for entry in entries:
            self._crashed.discard(entry.seq)
            self._outbox.mark(MarkDelivered(self._name, entry.seq, now))
        self._backlog.settle(entries)
        self._pace.succeeded()
        before = self._health.outage
        self._health.succeeded(len(entries))
        if before is not None and self._health.outage is None:
            self._backlog.recovered(history=before.announced)

    def give_up(self, entries: Sequence[Entry], why: str, attempt: Attempt | None = None) -> None:
        """To the dead letters with what was taken together."""
        self.bury(entries, why, attempt)
        self._backlog.settle(entries)

    def bury(self, entries: Sequence[Entry], why: str, attempt: Attempt | None = None) -> None:
        """To the dead letters with what is in memory no more."""
        for entry in entries:
            self._crashed.discard(entry.seq)
            self._outbox.mark(MarkDead(self._name, entry.seq, self._clock.wall(), why, attempt))
            DEAD_LETTERS.labels(self._name).inc()
            if _notable(entry):
                previous = entry.delivery.previous
                self._health.tell(EventType.DELIVERY_DEAD, why, seq=entry.seq, previous=previous)

    def _retry(self, entries: Sequence[Entry], retry: Retry, attempt: Attempt) -> None:
        """Put them back; a single one waits by its own schedule if the attempt was charged."""
        now = self._clock.monotonic()
        tried = [self._tried(entry, retry, attempt, now) for entry in entries]
        self._backlog.queue.put_back(tried, now, failed=retry.scope is Scope.DESTINATION)
        if retry.fault in {Fault.LINK, Fault.RECEIVER, Fault.THROTTLED}:
            self._pace.failed()
        self._health.failed(entries[0].seq, retry, notable=any(map(_notable, entries)))

    def _tried(self, entry: Entry, retry: Retry, attempt: Attempt, now: int) -> Entry:
        """What is known of a delivery after an attempt that has to be repeated."""
        delivery = entry.delivery
        waits = retry.after if retry.fault is Fault.EVENT else 0
        counts_from = entry.counts_from if entry.passed_at is not None else now
        if retry.charged:
            waits = own_wait(self._section.retry, delivery.charged)
            due = self._clock.wall() + waits
            self._outbox.mark(MarkCharged(self._name, entry.seq, attempt, due))
            delivery, counts_from = replace(delivery, charged=delivery.charged + 1, due_wall=due), now
        return replace(
            entry,
            delivery=delivery,
            not_before=now + waits if waits else 0,
            passed_at=self._health.delivered,
            counts_from=counts_from,
        )

    def _put_back(self, entries: Sequence[Entry]) -> None:
        self._backlog.queue.put_back(entries, self._clock.monotonic())

    async def _deliver(self, entries: Sequence[Entry]) -> Answer | NoAnswer | Crash:
        try:
            message = await self._message(entries)
            outcome = await self._destination.deliver(message)
        except FormatError as error:
            return Crash(str(error))
        except Exception as error:  # noqa: BLE001 - a poison event must neither stop nor spin the loop (design: errors)
            if not self._crashed.issuperset(entry.seq for entry in entries):
                self._crashed.update(entry.seq for entry in entries)
                _log.exception("destination %s: event %d could not be sent", self._name, entries[0].seq)
            return Crash(f"crash: {type(error).__name__}, see the agent's log")
        if isinstance(outcome, NoAnswer) and outcome.unsent:
            for entry in entries:
                self._outbox.stamps.unseen(self._name, entry.seq)
        return outcome

    async def _message(self, entries: Sequence[Entry]) -> Message:
        bodies = [self._format.one(each.delivery.stored.event, await self._place(each)) for each in entries]
        return self._request(bodies, tuple(entry.delivery.stored.event for entry in entries))

    def _request(self, bodies: Sequence[bytes], events: tuple[Event, ...]) -> Message:
        """What one request carries; whoever takes batches gets a single event as a batch of one."""
        if self._section.batching is None:
            return self._alone(bodies[0], events)
        return Message(
            batch_id([event.id for event in events]) if len(events) > 1 else events[0].id,
            self._format.many(bodies, self._clock.wall()),
            self._format.batch_content_type,
            events,
        )

    def _alone(self, body: bytes, events: tuple[Event, ...]) -> Message:
        content_type, headers = self._format.content_type, self._format.headers(events[0])
        if headers is not None:
            content_type = headers.get("content-type", content_type)
        return Message(events[0].id, body, content_type, events, headers)

    async def _place(self, entry: Entry) -> Place:
        known = await self._outbox.stamps.stamp(self._name, entry.delivery.stored)
        late = entry.delivery.resent
        return Place(entry.seq, entry.delivery.previous, known.offset, known.standing, late=late)

    def _history(self, entries: Sequence[Entry]) -> History:
        """What was known when the answer came; of a batch nothing that could charge one of its members."""
        now, health, entry = self._clock.monotonic(), self._health, entries[0]
        single = len(entries) == 1
        alone = single and entry.passed_at is not None and not self._backlog.others(entry.delivery)
        return History(
            dice=self._house.dice(),
            wall=self._clock.wall(),
            charged=entry.delivery.charged if single else 0,
            passed=single and entry.passed_at is not None and health.delivered > entry.passed_at,
            lone=now - entry.counts_from if alone else 0,
            failures=0 if health.outage is None else health.outage.failures,
            outage=0 if health.outage is None else now - health.outage.since,
            refused=len(health.refused - {entry.seq}),
            schedule=self._section.retry,
            plain_http=self._section.plain_http,
            in_line=self._section.carries,
        )


def _notable(entry: Entry) -> bool:
    """Events about deliveries make no such events of their own."""
    return not entry.delivery.stored.event.type.startswith("delivery.")
