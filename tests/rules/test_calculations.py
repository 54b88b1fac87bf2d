"""A rule over several tags sees each as long as it is fresh: what is unknown is unknown from that very instant."""

import pytest
from rigs.rules import Player, high, rule, say

from agent.model import SECOND
from agent.rules.expression import Expression
from agent.rules.spec import State, Take, Window


def calculation(text, *conditions, **more):
    return rule(*conditions, tag="", calc=Expression.parse(text), **more)


def test_a_delay_does_not_run_out_on_an_input_that_has_gone_stale():
    """T is stale from 5 on, so `max(T, U)` is unknown at 5.5, though U goes on being read."""
    player = Player((calculation("max(T, U)", high(50, on=5.5)),), stale=5)
    player.values(0, T=60, U=60)
    player.value(3, 60, "U")
    player.value(6, 60, "U")
    player.tick(30)

    assert player.timeline == []


def test_what_is_known_without_the_stale_input_goes_on_being_known():
    """`T or U` stays true while U is, whatever became of T."""
    player = Player((calculation("T or U", State(say("is", on=8), (True,))),), stale=5)
    player.values(0, T=True, U=True)
    player.value(4, True, "U")
    player.tick(30)

    assert player.timeline == [(8.0, "raised", "is")]


@pytest.mark.parametrize(("stale_after", "expected"), [(3, []), (20, [(9.0, "raised", "high")])])
def test_the_staleness_of_the_rule_counts_for_every_input(stale_after, expected):
    """The nearest `stale_after` wins, shorter than the tags' 5 s or longer."""
    spec = calculation("T - U", high(50, on=9), stale_after=stale_after * SECOND)
    player = Player((spec,), stale=5)
    player.values(0, T=60, U=0)
    player.value(2.5, 0, "U")
    player.tick(30)

    assert player.timeline == expected


def test_a_measure_observes_a_calculation_for_as_long_as_it_is_known():
    """The window is half full of what was observed, not of what came after an input had gone stale."""
    player = Player((calculation("T - U", high(50), measures=(Window(20 * SECOND, Take.AVERAGE),)),), stale=5)
    player.values(0, T=60, U=0)
    for at in (4, 8, 12):
        player.value(at, 0, "U")
    player.tick(30)

    assert player.timeline == []
