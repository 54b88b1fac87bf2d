"""Who goes first: live alarms, then the urgent past, then the rest with a fifth of the sends; and who goes last."""

import time
from collections import Counter

import pytest
from rigs.dispatching import BOOT, delivery

from agent.dispatch.entry import Entry
from agent.dispatch.lanes import Lane, Lanes
from agent.dispatch.queue import SubjectQueues
from agent.model import Priority

START = 1_000
HISTORY, LIVE = START - 1, START
HIGH, LOW = Priority.HIGH, Priority.LOW


class Queued:
    """Queues filled by words; each event has the next number."""

    def __init__(self, *, on=True, strict=False):
        self.lanes = Lanes(BOOT, START, on=on)
        self.queues = SubjectQueues(self.lanes, strict=strict)
        self.now = START
        self.number = 0

    def add(self, subject, priority=LOW, at=HISTORY):
        self.number += 1
        self.queues.add(Entry(delivery(self.number, subject, priority=priority, at=at)), self.now)

    def take(self, most=1):
        return self.queues.take(self.now, most)

    def sent(self, sends, most=1):
        """The subjects of the next sends, each of which succeeds."""
        subjects = []
        for _ in range(sends):
            entries = self.take(most)
            subjects += [entry.delivery.stored.event.subject for entry in entries]
            self.queues.settle(entries, self.now)
        return "".join(subjects)

    def fail(self):
        """Take one and put it back as failed; its subject."""
        entries = self.take()
        self.queues.put_back(entries, self.now, failed=True)
        return entries[0].delivery.stored.event.subject


@pytest.mark.parametrize(
    ("priority", "at", "boot", "resent", "lane"),
    [
        (Priority.CRITICAL, LIVE, BOOT, False, Lane.LIVE),
        (Priority.HIGH, LIVE, BOOT, False, Lane.LIVE),
        (Priority.HIGH, HISTORY, BOOT, False, Lane.URGENT),
        (Priority.HIGH, LIVE, "another boot", False, Lane.URGENT),
        (Priority.HIGH, LIVE, BOOT, True, Lane.URGENT),
        (Priority.MEDIUM, LIVE, BOOT, False, Lane.REST),
        (Priority.JOURNAL, HISTORY, BOOT, False, Lane.REST),
    ],
)
def test_what_is_live(priority, at, boot, resent, lane):
    """Critical or high, made since the agent started, and not by a person's wish."""
    assert Lanes(boot, START).of(delivery(1, priority=priority, at=at, resent=resent)) is lane
    assert Lanes(boot, START, on=False).of(delivery(1, priority=priority, at=at)) is Lane.REST


def test_live_goes_before_history_and_history_before_the_rest():
    """Whatever came first; subjects take turns within a lane."""
    queued = Queued()
    for subject in "cdabxy":
        for _ in range(2):
            queued.add(
                subject,
                *{"x": (HIGH, LIVE), "y": (HIGH, LIVE), "a": (HIGH,), "b": (HIGH,)}.get(subject, (LOW,)),
            )

    assert queued.sent(4) == "xyxy"
    assert queued.sent(8).replace("c", "").replace("d", "") == "abab"


@pytest.mark.parametrize(
    ("live", "urgent", "rest", "sends", "shares"),
    [
        (100, 0, 100, 50, {"l": 40, "r": 10}),
        (0, 100, 100, 50, {"u": 40, "r": 10}),
        (20, 100, 100, 50, {"l": 20, "u": 20, "r": 10}),
        (100, 100, 0, 50, {"l": 50}),
        (0, 0, 100, 50, {"r": 50}),
        (4, 0, 100, 50, {"l": 4, "r": 46}),
        (100, 0, 5, 50, {"l": 45, "r": 5}),
    ],
)
def test_the_rest_has_every_fifth_send_while_both_wait(live, urgent, rest, sends, shares):
    """No more while alarms wait, and all when none does."""
    queued = Queued()
    for subject, many, event in (("l", live, (HIGH, LIVE)), ("u", urgent, (HIGH,)), ("r", rest, (LOW,))):
        for _ in range(many):
            queued.add(subject, *event)

    assert Counter(queued.sent(sends)) == shares


def test_the_fifth_holds_for_requests_with_several_events():
    """Every fifth request begins with the rest; what an alarm leaves room for is filled up with it."""
    queued = Queued()
    for subject in "abcdefghij":
        for _ in range(10):
            queued.add(subject, HIGH, LIVE)
    for _ in range(10):
        queued.add("r")

    assert queued.sent(4, most=2).count("r") == 0
    assert queued.sent(1, most=2) == "rr"
    queued = Queued()
    queued.add("r")
    queued.add("a", HIGH, LIVE)
    queued.add("r")
    queued.add("b", HIGH)

    assert queued.sent(1, most=3) == "abr"


def test_a_subject_rises_with_its_first_urgent_event_and_falls_with_its_last():
    """What is before that one has to go before it."""
    queued = Queued()
    for subject in "abc":
        queued.add(subject)
        queued.add(subject)
    queued.add("c", HIGH, LIVE)
    queued.add("c")

    assert queued.sent(3) == "ccc"
    assert queued.sent(4) == "abca"


def test_what_is_still_in_the_store_of_a_subject_counts_too():
    """Its lane is that of its most urgent event, wherever that waits."""
    queued = Queued()
    queued.add("a")
    queued.add("b")
    queued.queues.expect("b", Lane.LIVE)

    assert queued.queues.count(Lane.LIVE) == 1
    assert queued.sent(1) == "b"
    queued.add("c")
    queued.add("b")
    assert queued.sent(1) == "b"
    queued.add("b")
    queued.queues.expect("b", Lane.REST)
    assert queued.sent(3) == "acb"


def test_whose_attempt_failed_goes_behind_all_the_others_of_whatever_lane():
    """So one that no receiver takes shows itself: others pass it, even if it is the only alarm."""
    queued = Queued()
    queued.add("a")
    queued.add("b")
    queued.add("x", HIGH, LIVE)
    assert [queued.fail() for _ in range(5)] == ["x", "a", "b", "x", "a"]

    queued.add("y", HIGH, LIVE)
    assert queued.fail() == "y"
    assert queued.fail() == "b"


def test_after_the_outage_they_return_to_their_lanes():
    """And what was live is history, if it was away for long."""
    queued = Queued()
    queued.add("a")
    queued.add("x", HIGH, LIVE)
    queued.add("u", HIGH)
    assert [queued.fail() for _ in range(3)] == ["x", "u", "a"]
    queued.queues.recovered(queued.now, history=False)
    assert queued.sent(3) == "xua"

    queued = Queued()
    queued.add("u", HIGH)
    queued.add("x", HIGH, LIVE)
    assert queued.fail() == "x"
    queued.now = LIVE + 10
    queued.queues.recovered(queued.now, history=True)
    queued.add("y", HIGH, LIVE + 11)
    assert queued.sent(3) == "yux"
    assert [queued.queues.count(lane) for lane in Lane] == [0, 0, 0]


def test_whose_own_schedule_ends_during_the_outage_is_behind_the_others_too():
    """Its own wait does not make it the next."""
    queued = Queued()
    queued.add("x", HIGH, LIVE)
    queued.add("a")
    [entry] = queued.take()
    queued.queues.put_back([Entry(entry.delivery, not_before=queued.now + 5)], queued.now, failed=True)
    queued.now += 10

    assert queued.queues.next_due() == START + 5
    assert queued.fail() == "a"
    assert queued.fail() == "x"
    assert queued.queues.next_due() is None


def test_a_new_event_is_promoted_before_all_lanes():
    """It is the one that is tried when a long back-off is cut short for it."""
    queued = Queued()
    queued.add("x", HIGH, LIVE)
    queued.add("a")
    queued.add("b")
    queued.queues.promote(delivery(9, "b"))

    assert queued.sent(3) == "bxa"


def test_without_lanes_subjects_take_turns_in_plain_order():
    """`lanes: off`; and `order: strict` has one queue."""
    for order in ({"on": False}, {"strict": True, "on": False}):
        queued = Queued(**order)
        for subject, event in (("a", (LOW,)), ("x", (HIGH, LIVE)), ("b", (LOW,)), ("x", (HIGH, LIVE))):
            queued.add(subject, *event)
        assert queued.sent(4) == "axbx"


def cost(subjects):
    """CPU seconds for 300 rounds of taking, settling and failing among so many subjects."""
    queued = Queued()
    for number in range(max(subjects, 400)):
        queued.add(f"s{number % subjects}", (LOW, HIGH)[number % 2], LIVE)
    before = time.thread_time()
    for _ in range(300):
        queued.sent(1)
        queued.fail()
    return time.thread_time() - before


def test_the_cost_does_not_grow_with_the_subjects():
    """Two thousand of them cost as much as ten, but for the machine's caches."""
    assert min(cost(2_000) for _ in range(5)) < 10 * min(cost(10) for _ in range(5))
