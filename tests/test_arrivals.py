"""Stamps of devices: how far their clocks are from ours, and what of their values is history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.arrivals import Arrivals, DeviceClock
from agent.model import SECOND, Quality, Reading, TagSpec

OFFSET = 1_700_000_000 * SECOND  # UTC less monotonic
HOUR = 3_600


def seen(at, made, value=1.0, tag="T", **more):
    """A value made at second `made` by our clock that arrives at second `at`."""
    stamp = round(made * SECOND) + OFFSET
    return Reading(tag, value, Quality.GOOD, round(at * SECOND), "", stamp, **more)


def arrivals(**spec):
    made = TagSpec("MADE", "mqtt", timed=True)
    return Arrivals(
        [TagSpec("T", "mqtt", timed=True, **spec), TagSpec("SERVER", "opcua")], {"MADE": made}.get
    )


def late(source, *readings, offset=OFFSET):
    return [one.late for one in source.marked(readings, offset)]


@pytest.mark.parametrize(
    ("spec", "age", "expected"),
    [
        ({}, 29, False),
        ({}, 31, True),
        ({"stale_after": 5 * SECOND}, 6, True),
        ({"stale_after": SECOND // 2}, 2, False),
        ({"stale_after": SECOND // 2}, 6, True),
        ({"stale_after": HOUR * SECOND}, 60, False),
    ],
)
def test_what_is_older_than_it_may_be_is_late(spec, age, expected):
    """Older than the tag's `stale_after`, else 30 s, on arrival; by less than 5 s only the clock may be wrong."""
    assert late(arrivals(**spec), seen(100, 100 - age)) == [expected]


@pytest.mark.parametrize("wrong", [-HOUR, -7.0, 7.0, HOUR, 20 * 365 * 24 * HOUR])
def test_a_device_whose_clock_is_wrong_is_not_late_for_ever(wrong):
    """Live values with stamps off by `wrong` seconds: after at most eleven seconds none is late."""
    source = arrivals()
    marks = [late(source, seen(at, at + wrong))[0] for at in range(60)]
    assert not any(marks[11:])
    assert source.clocks["T"].behind == pytest.approx(-wrong * SECOND, abs=SECOND)


def test_history_is_late_also_of_a_device_whose_clock_is_wrong():
    """The error is known from before; then half an hour of it comes at once."""
    source = arrivals()
    for at in range(60):
        late(source, seen(at, at - HOUR))
    burst = [seen(2000 + place / 1000, 100 + place - HOUR) for place in range(0, 1900, 100)]
    assert late(source, *burst) == [True] * len(burst)
    assert late(source, seen(2001, 2001 - HOUR)) == [False]


@given(st.floats(-HOUR, HOUR), st.floats(3, 100), st.lists(st.floats(0, 0.5), min_size=60, max_size=60))
def test_history_handed_over_fast_is_never_taken_for_a_wrong_clock(wrong, speed, jitter):
    """An hour of history, handed over at three times its pace or faster: all of it but the end is late."""
    clock = DeviceClock()
    clock.behind = round(-wrong * SECOND)
    made = 0.0
    for place, wait in enumerate(jitter):
        received = HOUR + place + wait
        made = place * speed
        true_age = received - made
        if true_age < 0:
            break
        age = clock.age(round((true_age - wrong) * SECOND), round(received * SECOND))
        assert age == pytest.approx(true_age * SECOND, abs=SECOND)


def test_our_own_clock_that_is_set_is_no_fault_of_theirs():
    """A machine that booted in 1970 is set: nothing becomes late by it."""
    source = arrivals()
    for at in range(30):
        late(source, seen(at, at), offset=0)
    assert [late(source, seen(at, at))[0] for at in range(30, 40)] == [False] * 10


def test_an_old_value_of_a_server_holds():
    """An OPC UA variable that did not change for a day is no history; the server's clock is one for all."""
    source = arrivals()
    assert late(source, seen(100, -86_400, tag="SERVER"), seen(100, 100, tag="SERVER")) == [False, False]
    assert list(source.clocks) == [""]


def test_behind_a_broker_each_device_has_its_own_clock():
    """Of two Sparkplug nodes one is seven minutes behind: its clock is found, though the other is right."""
    source = Arrivals([TagSpec("A", "s"), TagSpec("B", "s")], lambda _: None, one_clock=False)
    for at in range(30):
        assert late(source, seen(at, at, tag="A"), seen(at, at - 420, tag="B")) == [False, False]
    assert {tag: clock.behind // SECOND for tag, clock in source.clocks.items()} == {"A": 0, "B": 420}


def test_a_tag_that_its_source_names_has_a_clock_of_its_own():
    """What a wildcard makes is known when its first value arrives."""
    source = arrivals()
    assert late(source, seen(1000, 100, tag="MADE"), seen(1000, 999, tag="T")) == [True, False]


def test_a_burst_is_told_once_with_its_interval():
    """From the oldest value to the arrival of the last, when nothing came for half a minute."""
    source = arrivals()
    late(source, seen(999, 999))
    for place in range(50):
        late(source, seen(1000 + place / 100, 100 + 10 * place))
    assert source.history(1030 * SECOND) is None
    assert source.history(1031 * SECOND) == (100 * SECOND, round(1000.49 * SECOND))
    assert source.history(1100 * SECOND) is None


def test_a_single_old_value_is_no_interval():
    """What a broker kept of a quiet device."""
    source = arrivals()
    late(source, seen(1000, 100))
    assert source.history(1100 * SECOND) is None


def test_a_wrong_clock_is_no_history():
    """Until it is known the values seem late; no interval is told of it."""
    source = arrivals()
    marks = [late(source, seen(at, at - HOUR))[0] for at in range(60)]
    assert any(marks)
    assert source.history(1000 * SECOND) is None


def still(source, *seconds, value=None, stamp=0.0):
    """Which readings of a device whose stamp is always `stamp` keep it; each has another value."""
    seen_ = [seen(at, stamp, at if value is None else value) for at in seconds]
    return [one.source_time is not None for one in source.marked(seen_, OFFSET)]


def test_a_clock_that_stands_still_is_no_clock():
    """From the fourth value after half a minute on its stamp is not used; when it runs again, it is."""
    source = arrivals()
    assert still(source, *range(60)) == [True] * 30 + [False] * 30
    assert source.history(1000 * SECOND) is None
    kept = [
        one.source_time is not None for one in source.marked([seen(at, at) for at in range(60, 70)], OFFSET)
    ]
    assert kept == [False] + [True] * 9


def test_what_is_handed_over_again_and_again_is_no_clock_that_stands_still():
    """The same message, ten times in a minute: the same stamp, and the same value."""
    source = arrivals()
    assert still(source, *range(0, 60, 6), value=1.0) == [True] * 10


def test_a_clock_that_counts_minutes_stands_still():
    """One stamp for each minute and a value each second: no value but the first would be taken otherwise."""
    source = arrivals()
    kept = [still(source, at, stamp=at // 60 * 60)[0] for at in range(600)]
    assert kept == [True] * 30 + [False] * 570


def test_names_that_strangers_invent_do_not_fill_the_memory():
    """Ten thousand are remembered; what comes next pushes out the first, and declared tags stay."""
    source = Arrivals([TagSpec("T", "mqtt", timed=True)], lambda name: TagSpec(name, "mqtt", timed=True))
    late(source, seen(0, 0))
    for place in range(10_100):
        late(source, seen(1, 1, tag=f"N{place}"))
    assert len(source.clocks) == 10_001
    assert {"T", "N10099", "N100"} <= source.clocks.keys()
    assert "N99" not in source.clocks
