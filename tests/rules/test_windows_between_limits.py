"""A window that time alone cannot take to a limit is not looked at in each of its panes."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.rules import Player, high, low, rule

from agent.model import SECOND
from agent.rules.runs import BaseRun
from agent.rules.spec import Take, Window

TAKES = [Take.AVERAGE, Take.MIN, Take.MAX, Take.MEDIAN, Take.STDEV]


def windowed(take, *conditions):
    return rule(*conditions, measures=(Window(10 * SECOND, take),))


def looks_in(player, begin, end):
    """How often the clock moved the rule, with nothing read."""
    count = 0
    while (due := player.engine.due) is not None and due <= end * SECOND:
        assert due > begin * SECOND
        player.tick(due / SECOND)
        count += 1
    return count


@pytest.mark.parametrize("take", TAKES[:4])
def test_far_from_its_limits_it_is_looked_at_every_few_seconds(take):
    """Sixty panes pass in ten seconds; whoever reads the number sees one that is five seconds old at most."""
    player = Player((windowed(take, high(90.0), low(10.0)),))
    for second in range(20):
        player.value(second, 50.0 + second % 2)
    assert looks_in(player, 19, 29) <= 4


@pytest.mark.parametrize("take", TAKES[:4])
def test_where_it_may_reach_a_limit_each_pane_is_looked_at(take):
    """The average of 95 and 50 comes to 90 between two readings: the alarm is raised in that pane."""
    player = Player((windowed(take, high(90.0)),))
    for second in range(20):
        player.value(second, 50.0 if second < 19 else 95.0)
    assert player.timeline[:1] == ([(19.0, "raised", "high")] if take is Take.MAX else [])
    assert looks_in(player, 19, 40) > 20
    assert [what for _, what, _ in player.timeline] == ["raised"]


steps = st.lists(
    st.tuples(st.integers(1, 40_000), st.one_of(st.just("bad"), st.integers(0, 100), st.floats(45, 55))),
    min_size=1,
    max_size=40,
)


@given(
    st.sampled_from(TAKES), steps, st.integers(0, 6), st.integers(0, 6), st.sampled_from([50.0, 60.0, 95.0])
)
def test_the_events_are_those_of_looking_at_every_pane(take, signal, on, off, limit):
    """Whatever the signal: what is not looked at could not have changed anything."""
    spec = windowed(take, high(limit, 1.0, on, off), low(20.0))
    spared, full = Player((spec,), stale=30), Player((spec,), stale=30)
    for player in (spared, full):
        at = 0
        with patch.object(BaseRun, "_stays", BaseRun._stays if player is spared else lambda *_: False):
            for after, value in signal:
                at += after / 1000
                player.value(at, value)
            player.tick(at + 60)

    assert spared.timeline == full.timeline
