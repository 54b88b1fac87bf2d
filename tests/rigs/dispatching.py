"""A dispatcher between an outbox in memory and a receiver that does as it is told, on virtual time."""

import asyncio
import json
import random
from bisect import bisect_right
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count, islice

from rigs.virtual_time import VirtualClock

from agent.delivery.body import Identity
from agent.destinations.base import DestinationSection
from agent.destinations.webhook.config import WebhookDestination
from agent.dispatch.health import House
from agent.dispatch.loop import Dispatcher
from agent.model import SECOND, Answer, Event, EventType, NoAnswer, Priority
from agent.store.records import (
    URGENT,
    Delivery,
    DestinationFacts,
    MarkCharged,
    MarkDead,
    MarkDelivered,
    Part,
    Stored,
)
from agent.store.stamping import Stamps

OFFSET = VirtualClock().offset
NAME = "cloud"
BOOT = "boot"


class Outbox:
    """What waits, by number, and what was marked. `lazy`: marks lie uncommitted, as in a busy store.

    As of a real store, what has its outcome is in no answer, committed or not.
    """

    def __init__(self, *deliveries, lazy=False):
        self.rows = {delivery.stored.seq: delivery for delivery in deliveries}
        self.marks = []
        self.over = set()
        self.reads = 0
        self.lazy = lazy
        self.failures = []
        self.stamps = Stamps(None, 0)

    async def waiting(self, destination, after, limit, part=Part.ALL, subject=""):
        assert destination == NAME
        self.reads += 1
        if self.failures:
            raise self.failures.pop()
        numbers = list(self.rows)
        rows = (self.rows[seq] for seq in numbers[bisect_right(numbers, after) :])
        fitting = (row for row in rows if fits(row, part, subject) and row.stored.seq not in self.over)
        page = list(islice(fitting, limit))
        await asyncio.sleep(0.001)
        return page

    def mark(self, mark):
        self.marks.append(mark)
        if isinstance(mark, MarkCharged):
            row = self.rows[mark.seq]
            self.rows[mark.seq] = replace(row, charged=row.charged + 1, due_wall=mark.due_wall)
        elif self.lazy:
            self.over.add(mark.seq)
        else:
            del self.rows[mark.seq]

    def of(self, kind):
        return [mark for mark in self.marks if isinstance(mark, kind)]

    @property
    def delivered(self):
        return [mark.seq for mark in self.of(MarkDelivered)]

    @property
    def dead(self):
        return {mark.seq: mark.reason for mark in self.of(MarkDead)}


def fits(row, part, subject):
    """Whether a row belongs to the part that is asked for, as in `Store.waiting`."""
    event = row.stored.event
    if part is Part.SUBJECT:
        return event.subject == subject
    return part is Part.ALL or event.priority >= URGENT


@dataclass(frozen=True)
class Try:
    """One attempt: when it began (virtual seconds), of which event."""

    at: float
    seq: int
    subject: str
    late: bool


class Receiver:
    """Answers what `behave(seq)` says: an outcome, a status, or an exception to raise; takes `latency` s."""

    clock_offset = 0
    utc_offset = None

    def __init__(self, behave=lambda _: 204, latency=0.0):
        self.behave = behave
        self.latency = latency
        self.tries = []
        self.under_way = 0
        self.most_under_way = 0

    async def deliver(self, message):
        data = json.loads(message.body)["data"]
        seq = data["seq"]
        now = asyncio.get_running_loop().time()
        self.tries.append(Try(now, seq, data["subject"], data.get("late", False)))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.under_way -= 1
        done = self.behave(seq)
        if isinstance(done, Exception):
            raise done
        return Answer(done, {}, self.latency) if isinstance(done, int) else done

    def times(self, seq):
        return [each.at for each in self.tries if each.seq == seq]

    @property
    def order(self):
        return [each.seq for each in self.tries]


LOST = NoAnswer("connect: refused", unsent=True)


def delivery(
    seq, subject="a", *, kind=EventType.ALARM_RAISED, data=None, priority=Priority.HIGH, at=0, **rest
):
    """Event number `seq`, made at a virtual instant (ns); its body names its subject, for the receiver's log."""
    event = Event(f"evt_{seq}", kind, at, subject, priority, {"subject": subject, **(data or {})})
    return Delivery(NAME, Stored(seq, event, BOOT, OFFSET), seq - 1 or None, **rest)


class Rig:
    """The dispatcher under test and all that it says."""

    def __init__(self, receiver, outbox, dice, facts, section):
        self.receiver, self.outbox = receiver, outbox
        self.told, self.kept, self.links = [], [], []
        minted = count(1)
        house = House(
            Identity("dresden", "line-4", "epoch"),
            VirtualClock(),
            dice,
            lambda _: f"evt_notice_{next(minted)}",
            self.told.append,
            lambda _, facts: self.kept.append(facts),
            self.links.append,
            BOOT,
        )
        kind = WebhookDestination if "url" in section else DestinationSection
        self.dispatcher = Dispatcher(NAME, kind.model_validate(section), receiver, outbox, house, facts)

    def offer(self, *deliveries):
        """Commit and hand over, as the store does."""
        rows = self.outbox.rows
        numbers = [next(reversed(rows), 0), *(each.stored.seq for each in deliveries)]
        rows.update({each.stored.seq: each for each in deliveries})
        if numbers != sorted(numbers):
            self.outbox.rows = dict(sorted(rows.items()))
        for each in deliveries:
            self.dispatcher.offer(each)

    @property
    def types(self):
        return [event.type.value for event in self.told]


@asynccontextmanager
async def dispatching(receiver=None, outbox=None, *, dice=None, facts=None, **section):
    """Run a dispatcher; its dice are fair unless given."""
    rig = Rig(
        receiver or Receiver(),
        outbox or Outbox(),
        dice or random.Random(7).random,
        facts or DestinationFacts(),
        section,
    )
    task = asyncio.create_task(rig.dispatcher.run())
    await asyncio.sleep(0.01)  # the first page is read
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def at_wall(seconds):
    """The wall clock's nanoseconds at a virtual second."""
    return OFFSET + round(seconds * SECOND)
