"""What a reading costs, as ratios within one run: absolute times belong to `make bench`.

Each figure is the best of several rounds of this thread's own time, which a busy machine disturbs least.
"""

import time

from rigs.rules import gate, high, rule

from agent.model import SECOND, Link, Quality, Reading, TagSpec
from agent.rules.engine import Engine

READINGS = 2000
ROUNDS = 9


def best(work):
    """The shortest of some rounds, in seconds of the processor."""
    spent = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        work()
        spent.append(time.thread_time() - began)
    return min(spent)


def plant(tags, readings=READINGS, **more):
    """An engine with a limit on each of as many tags, which have all been seen, and a batch of ordinary readings.

    They come in polls of all tags, an instant each; `more` is of the rules.
    """
    names = [f"T{n}" for n in range(tags)]
    engine = Engine(
        [rule(high(), name=name, tag=name, **more) for name in names],
        [TagSpec(name, "plc") for name in names],
        ["plc"],
        mint=lambda at: f"evt_{at}",
        started=0,
    )
    engine.take([Link("plc", up=True, at=SECOND), *(reading(name, 1) for name in names)])
    return engine, [reading(names[n % tags], n % 100, n // tags) for n in range(readings)]


def reading(tag, value, poll=0):
    return Reading(tag, value, Quality.GOOD, SECOND + poll)


def test_an_ordinary_reading_costs_the_same_among_two_thousand_rules_as_among_twenty():
    """Only the rules of its own tag are looked at: looking at all of them would be a hundred times the work."""
    few, among_few = plant(20)
    many, among_many = plant(2000)
    assert best(lambda: many.take(among_many)) / best(lambda: few.take(among_few)) < 5


def test_rules_over_several_tags_cost_the_same_each_however_many_wait_for_one_moment():
    """Three thousand gated rules read in one poll: finding the next of them to be decided is no search."""
    few, among_few = plant(30, 3000, gate=gate("T0 >= 0"))
    many, among_many = plant(3000, 3000, gate=gate("T0 >= 0"))
    assert best(lambda: many.take(among_many)) / best(lambda: few.take(among_few)) < 2


def test_an_ordinary_reading_costs_less_than_a_hundred_looks_into_a_table():
    """Between its limits a value makes no event, no state and no copy: measured about 30 looks."""
    engine, batch = plant(100)
    limits = dict.fromkeys((each.tag for each in batch), 170.0)

    def look():
        return sum(each.value > limits[each.tag] for each in batch)

    assert best(lambda: engine.take(batch)) / best(look) < 100
