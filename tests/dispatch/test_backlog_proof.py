"""Whatever comes in whatever order: each delivery is sent once, in order within its subject, and none starves.

The backlog and the queues under test, over an outbox that answers as a real store does, against the
simplest model: what was committed and has no outcome.
"""

import asyncio
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rigs.dispatching import BOOT, NAME, Outbox, delivery
from rigs.virtual_time import VirtualClock, VirtualTimeLoop

from agent.dispatch.backlog import Backlog
from agent.dispatch.lanes import Lane
from agent.dispatch.room import Room
from agent.errors import StoreUnavailable
from agent.model import SECOND, Priority
from agent.store.records import MarkCharged, MarkDead, MarkDelivered

SMALL = Room(memory=20, page=4)
WAIT_S = 1
SUBJECTS = st.sampled_from("abcdefghij")
PRIORITIES = st.sampled_from([Priority.CRITICAL, Priority.LOW, Priority.LOW, Priority.LOW])
EVENTS = st.tuples(SUBJECTS, PRIORITIES)
WHICH = st.integers(0, 3)


class Machine(RuleBasedStateMachine):
    """One destination's events, from their commit to their outcome."""

    def __init__(self):
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.outbox = Outbox(lazy=True)
        self.number = 0
        self.waiting = {}  # number: its subject
        self.late = set()
        self.dead = {}
        self.under_way = []
        self.task = None

    def teardown(self):
        if self.task is not None:
            self.put_all_back()
            self.send_the_rest()
            self.stop()
        self.loop.close()

    # --- the means -------------------------------------------------------------------------------------------

    def call(self, done):
        async def on_the_loop():
            return done()

        return self.loop.run_until_complete(on_the_loop())

    def pass_time(self, seconds):
        self.loop.run_until_complete(asyncio.sleep(seconds))
        if self.task.done():
            self.task.result()

    def begin(self):
        def begin():
            self.backlog = Backlog(
                NAME,
                self.outbox,
                VirtualClock(),
                longest_wait=WAIT_S * SECOND,
                boot=BOOT,
                room=SMALL,
                **self.order,
            )
            self.task = asyncio.get_running_loop().create_task(self.backlog.read(lambda: None))

        self.call(begin)

    def stop(self):
        self.task.cancel()
        self.loop.run_until_complete(asyncio.wait([self.task]))

    def make(self, subject, priority):
        self.number += 1
        made = delivery(self.number, subject, priority=priority, at=round(self.loop.time() * SECOND))
        self.outbox.rows[self.number] = made
        self.waiting[self.number] = "" if self.order.get("strict") else subject
        return made

    def fetch(self, most):
        entries = self.call(lambda: self.backlog.queue.take(VirtualClock().monotonic(), most))
        assert len(entries) <= most
        for place, entry in enumerate(entries):
            assert entry.seq in self.waiting, "taken again after its outcome"
            assert entry not in entries[:place]
            assert all(entry.seq != other.seq for request in self.under_way for other in request), (
                "taken twice"
            )
            before = {other.seq for other in entries[:place]}
            assert entry.seq in self.late or self.older(entry.seq) <= before, "it overtakes"
        if entries:
            self.under_way.append(entries)
        return bool(entries)

    def older(self, number):
        subject = self.waiting[number]
        return {
            seq
            for seq, other in self.waiting.items()
            if seq < number and other == subject and seq not in self.late
        }

    def end(self, entries, mark):
        def end():
            for entry in entries:
                self.outbox.mark(mark(entry.seq))
                del self.waiting[entry.seq]
                self.late.discard(entry.seq)
            self.backlog.settle(entries)

        self.call(end)

    def put_all_back(self):
        while self.under_way:
            entries = self.under_way.pop()
            self.call(lambda: self.backlog.queue.put_back(entries, VirtualClock().monotonic()))  # noqa: B023 - called at once

    def send_the_rest(self):
        idle = 0
        while self.waiting and idle < 5:
            self.pass_time(2 * WAIT_S)
            idle += 1
            while self.fetch(3):
                idle = 0
                self.end(self.under_way.pop(), lambda seq: MarkDelivered(NAME, seq, 0))
        assert not self.waiting, "never sent"

    # --- what happens -----------------------------------------------------------------------------------------

    @initialize(
        events=st.lists(EVENTS, max_size=60),
        order=st.sampled_from([{}, {}, {}, {"lanes": False}, {"strict": True}]),
    )
    def start(self, events, order):
        self.order = order
        for event in events:
            self.make(*event)
        self.begin()

    @rule(burst=st.lists(EVENTS, min_size=1, max_size=30), late=st.sampled_from([0, 0, 0.0015]))
    def commit(self, burst, late):
        """Handed over at once, or after the store may have been read."""
        made = [self.make(*event) for event in burst]
        if late:
            self.pass_time(late)
        self.call(lambda: [self.backlog.offer(each) for each in made])

    @rule(seconds=st.sampled_from([0, 0.0005, 0.001, 0.0015, 0.01, 2]))
    def wait(self, seconds):
        self.pass_time(seconds)

    @rule(most=st.sampled_from([1, 1, 3, 10]))
    def take(self, most):
        if len(self.under_way) < 4:
            self.fetch(most)

    @precondition(lambda self: self.under_way)
    @rule(which=WHICH)
    def deliver(self, which):
        entries = self.under_way.pop(which % len(self.under_way))
        self.end(entries, lambda seq: MarkDelivered(NAME, seq, 0))

    @precondition(lambda self: self.under_way)
    @rule(which=WHICH, charged=st.booleans(), failed=st.booleans())
    def fail(self, which, charged, failed):
        entries = self.under_way.pop(which % len(self.under_way))

        def put_back():
            clock, due = VirtualClock(), 0
            if charged:
                due = clock.monotonic() + WAIT_S * SECOND
                for entry in entries:
                    self.outbox.mark(MarkCharged(NAME, entry.seq, None, clock.wall() + WAIT_S * SECOND))
            tried = [replace(entry, not_before=due) for entry in entries]
            self.backlog.queue.put_back(tried, clock.monotonic(), failed=failed)

        self.call(put_back)

    @precondition(lambda self: self.under_way)
    @rule(which=WHICH)
    def bury(self, which):
        entries = self.under_way.pop(which % len(self.under_way))
        self.dead.update((entry.seq, entry.delivery) for entry in entries)
        self.end(entries, lambda seq: MarkDead(NAME, seq, 0, "no"))

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def send_again(self, data):
        numbers = data.draw(st.lists(st.sampled_from(sorted(self.dead)), unique=True, min_size=1))

        def resend():
            for seq in sorted(numbers):
                again = replace(self.dead.pop(seq), resent=True, charged=0, due_wall=0)
                self.outbox.rows[seq] = again
                self.outbox.over.discard(seq)
                self.waiting[seq] = again.stored.event.subject
                self.late.add(seq)
                self.backlog.offer(again)

        self.call(resend)

    @rule(history=st.booleans())
    def recover(self, history):
        self.call(lambda: self.backlog.recovered(history=history))

    @rule()
    def refuse_a_read(self):
        self.outbox.failures = [StoreUnavailable("disk")]

    @rule(meanwhile=st.lists(EVENTS, max_size=5))
    def restart(self, meanwhile):
        """What is under way has no outcome: it is sent once more."""
        self.stop()
        self.under_way.clear()
        for event in meanwhile:
            self.make(*event)
        self.begin()

    @invariant()
    def memory_is_bounded(self):
        if self.task is not None:
            queue = self.backlog.queue
            assert sum(queue.count(lane) for lane in Lane) == len(queue) <= SMALL.memory


TestMachine = Machine.TestCase
