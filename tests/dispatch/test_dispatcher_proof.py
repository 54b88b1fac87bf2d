"""Whatever a destination's receiver, operator and store do in whatever order: nothing is lost, doubled or overtaken.

The real dispatcher with a small memory, over an outbox that answers in bites as the store does, on virtual
time; against what was committed, and what the receiver took.
"""

import asyncio
import json
import random
from collections import Counter
from dataclasses import replace
from itertools import count

import pytest
from rigs.dispatching import BOOT, LOST, NAME, Outbox, delivery, fits
from rigs.virtual_time import VirtualClock

from agent.delivery.body import Identity
from agent.destinations.base import BatchSection, DestinationSection
from agent.dispatch.health import House
from agent.dispatch.lanes import Lane
from agent.dispatch.loop import Dispatcher
from agent.dispatch.room import Room
from agent.errors import StoreUnavailable
from agent.model import Answer, NoAnswer, Priority
from agent.store.records import DestinationFacts, MarkDead, MarkDelivered, Part

pytestmark = pytest.mark.virtual_time

HOUR = 3_600
STEPS = 60
TELLING = [23, 25, 33, 40, 46, 64, 70, 104, 121, 131]  # each has lost something once, or waited for ever
SMALL = Room(memory=20, page=4)
CRASH, SILENT = "crash", NoAnswer("timeout")
ABORT = Answer(404, {"webhook-delivery": "abort-message"}, 0.0)
LATER = Answer(429, {"retry-after": "90"}, 0.0)
ANY = [204, 204, 204, 500, 503, 400, 413, 429, 401, 410, LOST, SILENT, CRASH, ABORT, LATER]
MOODS = [[204], [204], [204], ANY, ANY, [503], [401], [422], [LOST], [SILENT]]
POISON = [422, 409, 500, SILENT, CRASH]


class Kind(DestinationSection):
    """A destination of no kind in particular, which may take batches."""

    batch: BatchSection | None = None

    @property
    def batching(self):
        return self.batch


class Bites(Outbox):
    """Reads in bites, between which others have their turn; what is marked is in no answer."""

    def __init__(self, dice):
        super().__init__(lazy=True)
        self.dice = dice

    async def waiting(self, destination, after, limit, part=Part.ALL, subject=""):
        assert destination == NAME
        found, bite = [], [None]
        while bite and len(found) < limit:
            if self.failures:
                raise self.failures.pop()
            rows = (row for seq, row in self.rows.items() if seq > after and seq not in self.over)
            bite = [row for row in rows if fits(row, part, subject)][
                : self.dice.randint(1, limit - len(found))
            ]
            found += bite
            after = bite[-1].stored.seq if bite else after
            await asyncio.sleep(0.001)
        return found


class Whole:
    """One destination, from its first event to the last outcome; also its receiver."""

    clock_offset = 0
    utc_offset = None

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.outbox = Bites(self.dice)
        self.facts = DestinationFacts()
        self.numbers = count(1)
        self.subjects = self.dice.choice([2, 6, 30])
        self.mood, self.poison = [204], {}
        self.under_way = Counter()
        self.taken = Counter()
        self.owed = Counter()  # how often it has to be taken: again after a replay
        self.newest = {}  # by subject, of what was taken in its turn
        self.gone = set()
        self.wrong = []
        self.begin()

    def begin(self):
        minted = count(1)
        house = House(
            Identity("dresden", "line-4", "epoch"),
            VirtualClock(),
            self.dice.random,
            lambda _: f"evt_notice_{next(minted)}",
            lambda _: None,
            self.keep,
            lambda _: None,
            BOOT,
        )
        self.section = Kind.model_validate(any_section(self.dice))
        self.dispatcher = Dispatcher(NAME, self.section, self, self, house, self.facts)
        self.task = asyncio.create_task(self.dispatcher.run())

    def keep(self, name, facts):
        assert name == NAME
        self.facts = facts

    async def end(self):
        await self.dispatcher.stop()
        self.task.cancel()
        await asyncio.wait([self.task])
        self.under_way.clear()

    async def wait(self, seconds):
        await asyncio.sleep(seconds)
        assert not self.wrong, self.wrong
        if self.task.done():
            self.task.result()

    # --- the receiver -----------------------------------------------------------------------------------------

    async def deliver(self, message):
        body = json.loads(message.body)
        members = body["data"]["events"] if body["type"] == "batch" else [body]
        late = {member["data"]["seq"]: member["data"].get("late", False) for member in members}
        strict = self.section.order == "strict"
        keys = {"" if strict else (event.subject, late[number(event)]) for event in message.events}
        health = self.dispatcher.health
        if health.paused or health.disabled or any(self.under_way[key] for key in keys):
            self.wrong.append(f"{sorted(late)} must not be sent now")
        self.under_way.update(keys)
        try:
            await asyncio.sleep(self.dice.choice([0, 0.001, 0.1, 1, 10]))
        finally:
            self.under_way.subtract(keys)
        outcome = self.answer(late)
        if outcome == Answer(204, {}, 0.0):
            for event in message.events:
                self.take(number(event), event.subject, late=late[number(event)])
        if outcome == CRASH:
            raise ValueError
        return outcome

    def answer(self, numbers):
        for seq in numbers:
            if seq % 17 == 3 and self.mood != [204]:
                self.poison.setdefault(seq, self.dice.choice(POISON))
                return as_answer(self.poison[seq])
        return as_answer(self.dice.choice(self.mood))

    def take(self, seq, subject, *, late):
        self.taken[seq] += 1
        if self.taken[seq] > self.owed[seq] and seq not in self.gone:
            self.wrong.append(f"{seq} was sent twice")
        if not late:
            if seq < self.newest.get(subject, 0):
                self.wrong.append(f"{seq} was overtaken by {self.newest[subject]}")
            self.newest[subject] = seq

    # --- the store ---------------------------------------------------------------------------------------------

    @property
    def stamps(self):
        return self.outbox.stamps

    async def waiting(self, *wanted):
        return await self.outbox.waiting(*wanted)

    def mark(self, mark):
        if mark.seq in self.gone:
            return
        row = self.outbox.rows[mark.seq]
        if mark.seq in self.outbox.over:
            self.wrong.append(f"{mark.seq} has a second outcome")
        if isinstance(mark, MarkDelivered) and self.taken[mark.seq] != self.owed[mark.seq]:
            self.wrong.append(f"{mark.seq} was not taken")
        if isinstance(mark, MarkDead) and mark.reason == "expired":
            age = VirtualClock().monotonic() - row.stored.event.at
            if row.resent or age <= self.section.max_age:
                self.wrong.append(f"{mark.seq} expired too soon")
        self.outbox.mark(mark)

    # --- what happens ------------------------------------------------------------------------------------------

    def commit(self, many):
        for seq in [next(self.numbers) for _ in range(many)]:
            subject, at = f"s{self.dice.randrange(self.subjects)}", VirtualClock().monotonic()
            priority = self.dice.choice([Priority.CRITICAL, Priority.LOW, Priority.LOW])
            self.outbox.rows[seq] = delivery(seq, subject, priority=priority, at=at)
            self.owed[seq] = 1
        for seq in list(self.outbox.rows)[-many:]:
            self.dispatcher.offer(self.outbox.rows[seq])

    def send_again(self):
        """Some dead letters and delivered events."""
        over = sorted(self.outbox.over - self.gone)
        for seq in sorted(self.dice.sample(over, min(len(over), self.dice.choice([1, 5, 30])))):
            row = replace(self.outbox.rows[seq], resent=True, charged=0, due_wall=0)
            self.outbox.rows[seq] = row
            self.outbox.over.discard(seq)
            self.owed[seq] = self.taken[seq] + 1
            self.dispatcher.offer(row)

    def evict(self):
        oldest = self.left()[: self.dice.choice([1, 10])]
        self.gone.update(oldest)
        self.outbox.over.update(oldest)

    def left(self):
        return [seq for seq in self.outbox.rows if seq not in self.outbox.over]

    def pause_or_resume(self):
        self.dispatcher.pause("anna") if self.dice.random() < 0.3 else self.dispatcher.resume()

    def change_mood(self):
        self.mood = self.dice.choice(MOODS)

    def refuse_reads(self):
        self.outbox.failures = [StoreUnavailable("disk")] * self.dice.choice([1, 3])

    async def reload(self):
        await self.end()
        self.begin()

    async def go_on(self):
        happenings = [
            *[lambda: self.commit(self.dice.choice([1, 1, 3, 30]))] * 6,
            *[self.change_mood] * 2,
            self.send_again,
            self.pause_or_resume,
            self.evict,
            self.refuse_reads,
            self.dispatcher.way_is_back,
            self.dispatcher.enable,
        ]
        if self.dice.random() < 1 / len(happenings):
            await self.reload()
        else:
            self.dice.choice(happenings)()
        await self.wait(self.dice.choice([0, 0, 0.0005, 0.001, 0.01, 1, 10, 100, 1_000]))

    async def mend(self):
        """All is well again, and stays so."""
        self.mood = [204]
        self.dispatcher.resume()
        self.dispatcher.enable()
        await self.wait(12 * HOUR)


def number(event):
    return int(event.id.removeprefix("evt_"))


def as_answer(outcome):
    return Answer(outcome, {}, 0.0) if isinstance(outcome, int) else outcome


def any_section(dice):
    pick = dice.choice
    limits = (
        {"rate_limit": {"events": pick([1, 3, 50]), "per": pick(["1s", "20s"])}} if pick([0, 0, 1]) else {}
    )
    age = {"max_age": pick(["5m", "2h"])} if pick([0, 0, 1]) else {}
    together = {"max_events": pick([2, 5, 40]), "max_wait": pick(["0s", "1s", "30s"])}
    return {
        "concurrency": pick([1, 2, 8]),
        "order": pick(["subject", "subject", "strict"]),
        "lanes": pick(["on", "on", "off"]),
        "retry": pick([["1m", "5m", "30m"], ["10s"]]),
        **limits,
        **age,
        **({"batch": together} if pick([0, 1]) else {}),
    }


async def turns_of_an_hour():
    """How often the loop turns in an hour."""
    selector, turns = asyncio.get_running_loop()._jumping, count()
    select = selector.select
    selector.select = lambda timeout=None: (next(turns), select(timeout))[1]
    await asyncio.sleep(HOUR)
    selector.select = select
    return next(turns)


@pytest.mark.parametrize("seed", TELLING)
async def test_whatever_happens_each_is_taken_once_and_in_order(seed, monkeypatch):
    """Every event is delivered or dead, once; then memory is empty, nothing turns for nothing, and what comes is sent."""
    monkeypatch.setattr("agent.dispatch.backlog.Room", lambda: SMALL)
    whole = Whole(seed)
    for _ in range(STEPS):
        await whole.go_on()
    await whole.mend()
    assert whole.left() == []

    backlog = whole.dispatcher._backlog
    queue = backlog.queue
    assert not any((queue._subjects, queue._expected, queue._held, queue.ready, len(queue), backlog.behind))
    assert not any((backlog._apart, backlog._apart.unread, *map(backlog._apart.due, Lane)))
    assert [queue.count(lane) for lane in Lane] == [0, 0, 0]
    assert not whole.dispatcher._sending._crashed
    assert await turns_of_an_hour() < 5_000
    for seconds in (1, 600):
        whole.commit(1)
        await whole.wait(seconds)
    assert whole.left() == []
    assert whole.dispatcher.health.outage is None
    await whole.end()
