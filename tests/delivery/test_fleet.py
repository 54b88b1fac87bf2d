"""A fleet comes back together (N4), and thirty days of outage lose nothing (N5): arithmetic on virtual time.

Every agent here has an event waiting, and new ones arrive; its next attempt is where the core puts it.
"""

import heapq
import itertools
import math
import random
import statistics
from collections import Counter

import pytest

from agent.delivery.judge import Dead, History, judge
from agent.delivery.outage import Outage, after_retry, after_success
from agent.delivery.schedule import HOUR
from agent.dispatch.pace import Pace
from agent.model import SECOND, Answer, NoAnswer

FLEET = 1_000
DOWN = NoAnswer("connect: refused")
BUSY = Answer(503, {}, 0.1)
RARELY, OFTEN = math.inf, 30.0  # seconds between new events at an agent


def failed(outage, now, dice, said=DOWN):
    """The outage after one more attempt that found nobody, or was answered so."""
    known = History(
        dice=dice(),
        wall=now,
        failures=outage.failures if outage else 0,
        outage=now - outage.since if outage else 0,
    )
    return after_retry(outage, judge(said, known), now, notable=True)


def attempts(receiver_back, dice, every=RARELY, rng=None):
    """When each agent tries, from a shared failure at 0 to its first success after `receiver_back`; ns.

    At each agent a new event comes every so many seconds, by chance, and asks for an earlier attempt.
    """
    tried = []
    outages: list[Outage] = []
    turn = itertools.count()
    due = []  # (when, turn, agent, whether a new event arrives there)

    def plan(when, agent, *, arrives=False):
        heapq.heappush(due, (when, next(turn), agent, arrives))

    def plan_arrival(now, agent):
        if every < RARELY:
            plan(now + int(rng.expovariate(1 / every) * SECOND), agent, arrives=True)

    for agent in range(FLEET):
        outages.append(failed(None, 0, dice))
        plan(outages[agent].gate, agent)
        plan_arrival(0, agent)
    while due:
        now, _, agent, arrives = heapq.heappop(due)
        outage = outages[agent]
        if outage is None:
            continue
        if arrives:
            outages[agent] = outage.for_new_event(now, dice())
            plan_arrival(now, agent)
        elif now < outage.gate:
            continue  # closed again meanwhile; planned there
        else:
            tried.append(now)
            outages[agent] = failed(outage, now, dice) if now < receiver_back else None
        if outages[agent] is not None and outages[agent] is not outage:
            plan(max(outages[agent].gate, now), agent)
    return tried


def peak(tried):
    """The most attempts in one second after the receiver is back."""
    return max(Counter(when // SECOND for when in tried if when >= HOUR).values())


@pytest.mark.parametrize(("every", "seed"), [(RARELY, 1), (OFTEN, 2)])
def test_after_an_hour_the_peak_is_two_percent_of_the_fleet_a_second(every, seed):
    """N4; within five minutes all of them are back."""
    rng = random.Random(seed)

    tried = attempts(HOUR, rng.random, every, rng)

    assert peak(tried) <= FLEET * 2 // 100
    assert sum(when >= HOUR for when in tried) == FLEET
    assert max(tried) < HOUR + 300 * SECOND


def test_without_jitter_the_same_fleet_storms():
    """The measure above can fail: with dice that always show the same they come all at once."""
    assert peak(attempts(HOUR, lambda: 0.999)) == FLEET


def test_after_twenty_seconds_half_of_the_fleet_is_back_in_half_a_second():
    """Who was away for a moment need not be careful."""
    rng = random.Random(1)

    waits = [when / SECOND - 20 for when in attempts(20 * SECOND, rng.random) if when >= 20 * SECOND]

    assert len(waits) == FLEET
    assert 0.4 < statistics.median(waits) < 0.8
    assert max(waits) < 2.5


def test_thirty_days_of_outage_kill_no_event():
    """N5: a lone event is tried some 17,000 times, none of which is its fault."""
    rng = random.Random(1)
    outage, now, tried = failed(None, 0, rng.random), 0, 0
    while now < 30 * 24 * HOUR:
        now = outage.gate
        known = History(rng.random(), now, lone=now, failures=outage.failures, outage=now - outage.since)
        verdict = judge(DOWN, known)
        assert not isinstance(verdict, Dead)
        assert not verdict.charged
        outage = after_retry(outage, verdict, now, notable=True)
        tried += 1

    assert 15_000 < tried < 20_000


class Agent:
    """One of a fleet that drains its backlog when the receiver is back."""

    def __init__(self, backlog, pace, dice):
        self.left = backlog
        self.pace = pace
        self.pace.begin_anew()
        self.dice = dice
        self.in_flight = 0
        self.outage = failed(None, 0, dice)

    def ended(self, now, *, taken):
        self.in_flight -= 1
        if taken:
            self.left -= 1
            self.pace.succeeded()
            self.outage = after_success(self.outage, now)
        else:
            self.pace.failed()
            self.outage = failed(self.outage, now, self.dice, BUSY)

    def begins(self, now):
        """How many requests it begins now."""
        if self.outage is not None and now < self.outage.gate:
            return 0
        width = 1 if self.outage is not None else self.pace.width
        return max(0, min(width, self.left) - self.in_flight)


def drained(agents, capacity, rng):
    """Requests refused and the most at once, when a receiver takes so many at once and answers 503 beyond."""
    turn, due, at_once, most, refused = itertools.count(), [], 0, 0, 0
    for agent in agents:
        heapq.heappush(due, (int(5 * SECOND * rng.random()), next(turn), agent, None))
    while due:
        now, _, agent, taken = heapq.heappop(due)
        if taken is not None:
            at_once -= 1
            refused += not taken
            agent.ended(now, taken=taken)
        for _ in range(agent.begins(now)):
            agent.in_flight += 1
            at_once += 1
            most = max(most, at_once)
            heapq.heappush(due, (now + SECOND // 10, next(turn), agent, at_once <= capacity))
        if agent.outage is not None and agent.outage.gate > now and agent.left:
            heapq.heappush(due, (agent.outage.gate, next(turn), agent, None))
    return refused, most


class AllAtOnce(Pace):
    """What the pace is compared with: as much side by side as is allowed, whatever came of it."""

    @property
    def width(self):
        return 8


def test_a_fleet_that_drains_its_backlogs_leaves_a_busy_receiver_room():
    """A hundred agents with fifty events each, a receiver that takes fifty requests at once: all is delivered."""
    refused, most = {}, {}
    for kind in (Pace, AllAtOnce):
        rng = random.Random(1)
        agents = [Agent(50, kind(8, None), rng.random) for _ in range(100)]
        refused[kind], most[kind] = drained(agents, 50, rng)
        assert not any(agent.left for agent in agents)

    assert refused[Pace] < refused[AllAtOnce] / 1.5
    assert most[Pace] < most[AllAtOnce] / 1.5
