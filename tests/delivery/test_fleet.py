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
from agent.delivery.outage import Outage, after_retry
from agent.delivery.schedule import HOUR
from agent.model import SECOND, NoAnswer

FLEET = 1_000
DOWN = NoAnswer("connect: refused")
RARELY, OFTEN = math.inf, 30.0  # seconds between new events at an agent


def failed(outage, now, dice):
    """The outage after one more attempt that found nobody."""
    known = History(
        dice=dice(),
        wall=now,
        failures=outage.failures if outage else 0,
        outage=now - outage.since if outage else 0,
    )
    return after_retry(outage, judge(DOWN, known), now, notable=True)


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
