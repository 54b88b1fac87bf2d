"""The waits of a destination and of an event: their shape by table, their bounds by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.schedule import (
    HOUR,
    LONGEST_BACK_OFF,
    MINUTE,
    OWN_SCHEDULE,
    back_off,
    back_off_ceiling,
    own_wait,
)
from agent.model import SECOND

failures = st.integers(1, 10_000)
outages = st.integers(0, 400 * 24 * HOUR)
dice = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("failed", "outage", "ceiling"),
    [
        (1, 0, 1),
        (2, SECOND // 2, 1),
        (5, 9 * SECOND, 1),
        (5, 20 * SECOND, 2),
        (2, HOUR, 2),
        (3, HOUR, 4),
        (9, HOUR, 256),
        (10, HOUR, 300),
        (20, 10 * MINUTE, 60),
        (20, 50 * MINUTE, 300),
        (1_000_000, 365 * 24 * HOUR, 300),
        (0, 0, 1),
    ],
)
def test_the_ceiling_doubles_up_to_a_tenth_of_the_outage(failed, outage, ceiling):
    """From 1 s to 300 s; whoever was away for ten seconds is back within one."""
    assert back_off_ceiling(failed, outage) == ceiling * SECOND


@given(failed=failures, outage=outages, rolled=dice)
def test_the_wait_is_full_jitter_below_the_ceiling(failed, outage, rolled):
    """Never longer than 300 s, nor than a tenth of the outage (a second at least)."""
    wait = back_off(failed, outage, rolled)

    assert 0 <= wait < back_off_ceiling(failed, outage) <= LONGEST_BACK_OFF
    assert wait < max(SECOND, outage / 10 + 1)


@given(failed=failures, outage=outages, more=st.integers(0, 100), longer=outages)
def test_the_ceiling_never_sinks_while_it_fails(failed, outage, more, longer):
    """More failures or a longer outage never make it knock more often."""
    assert back_off_ceiling(failed, outage) <= back_off_ceiling(failed + more, outage + longer)


@given(failed=failures, outage=outages, lower=dice, higher=dice)
def test_the_dice_decide_all_of_it(failed, outage, lower, higher):
    """From nothing on, in proportion: that spreads a fleet."""
    lower, higher = sorted((lower, higher))

    assert back_off(failed, outage, 0.0) == 0
    assert back_off(failed, outage, lower) <= back_off(failed, outage, higher)
    assert back_off(failed, outage, 0.5) == back_off_ceiling(failed, outage) // 2


def test_an_event_has_the_three_waits_of_the_specification():
    """`retry: [1m, 5m, 30m]`."""
    assert OWN_SCHEDULE == (MINUTE, 5 * MINUTE, 30 * MINUTE)


@pytest.mark.parametrize(("charged", "wait"), [(0, 1), (1, 5), (2, 30), (3, 30), (99, 30)])
def test_each_charged_attempt_waits_the_next_of_them(charged, wait):
    """Beyond the last (a schedule that was made shorter) it is the last."""
    assert own_wait(OWN_SCHEDULE, charged) == wait * MINUTE
