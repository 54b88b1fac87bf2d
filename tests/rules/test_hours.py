"""Active hours: the clock on the wall, midnight, and the two nights a year on which clocks change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.times import parse_clock, parse_days
from agent.model import SECOND
from agent.rules.hours import NEVER, Hours, Span

MINUTE = 60 * SECOND
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
ODD_ZONES = ["America/Havana", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll"]
WEEKDAYS, ALL = frozenset(range(5)), frozenset(range(7))


def wall(text):
    """Nanoseconds UTC of `2026-03-27T06:00Z`, or of a local time with its offset."""
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def hours(days, begin, end, zone="Europe/Berlin"):
    return Hours(parse_days(days), parse_clock(begin), parse_clock(end), zone)


def stretches(watched, begin, end):
    """What `next_change` makes of the time from `begin` to `end`: the stretches that hold."""
    changes = [begin]
    while changes[-1] < end:
        changes.append(watched.next_change(changes[-1]))
    return [(early, late) for early, late in pairwise(changes) if watched.holds(early)]


@pytest.mark.parametrize(
    ("at", "holds", "change"),
    [
        ("2026-11-20T05:59:59+01:00", False, "2026-11-20T06:00+01:00"),
        ("2026-11-20T06:00+01:00", True, "2026-11-20T22:00+01:00"),
        ("2026-11-20T21:59:59+01:00", True, "2026-11-20T22:00+01:00"),
        ("2026-11-20T22:00+01:00", False, "2026-11-23T06:00+01:00"),
        ("2026-11-21T12:00+01:00", False, "2026-11-23T06:00+01:00"),
        ("2026-07-01T05:00+01:00", True, "2026-07-01T22:00+02:00"),
    ],
)
def test_a_day_shift_from_monday_to_friday(at, holds, change):
    """The beginning belongs to the hours, the end does not; Friday is followed by Monday."""
    shift = hours("mon-fri", "06:00", "22:00")

    assert (shift.holds(wall(at)), shift.next_change(wall(at))) == (holds, wall(change))


def test_a_night_shift_belongs_to_the_day_on_which_it_begins():
    """Friday's night ends on Saturday morning; there is none from Sunday to Monday."""
    night = hours("mon-fri", "22:00", "06:00")

    assert stretches(night, wall("2026-11-19T12:00Z"), wall("2026-11-24T12:00Z")) == [
        (wall("2026-11-19T22:00+01:00"), wall("2026-11-20T06:00+01:00")),
        (wall("2026-11-20T22:00+01:00"), wall("2026-11-21T06:00+01:00")),
        (wall("2026-11-23T22:00+01:00"), wall("2026-11-24T06:00+01:00")),
    ]


@pytest.mark.parametrize(("begin", "end"), [("07:00", "07:00"), ("00:00", "24:00"), ("00:00", "00:00")])
def test_the_same_time_twice_is_a_day_from_there(begin, end):
    """From 07:00 to 07:00 on Saturday is 24 hours, into Sunday."""
    day = hours("sat", begin, end)
    first = wall(f"2026-11-21T{begin}+01:00")

    assert stretches(day, wall("2026-11-18T00:00Z"), wall("2026-11-25T00:00Z")) == [
        (first, first + 1440 * MINUTE)
    ]


def test_neighbouring_days_are_one_stretch():
    """Nothing changes at a midnight between two days that both are watched."""
    assert stretches(
        hours("sat-sun", "00:00", "24:00"), wall("2026-11-18T00:00Z"), wall("2026-11-25T00:00Z")
    ) == [(wall("2026-11-21T00:00+01:00"), wall("2026-11-23T00:00+01:00"))]


@pytest.mark.parametrize("zone", [*ZONES, *ODD_ZONES])
@pytest.mark.parametrize("begin", [0, 150, 1439])
def test_the_whole_week_never_changes(zone, begin):
    """24 hours of all seven days hold for good; of no day, never."""
    at = wall("2026-03-29T01:00Z")

    assert Hours(ALL, begin, begin or 1440, zone).next_change(at) == NEVER
    assert Hours(ALL, begin, begin or 1440, zone).holds(at)
    assert Hours(frozenset(), begin, begin, zone).next_change(at) == NEVER
    assert not Hours(frozenset(), begin, begin, zone).holds(at)


CLOCKS = {
    "a beginning that is left out is the instant of the change": (
        ("sun", "02:30", "06:00"),
        [("2026-03-29T01:00Z", "2026-03-29T04:00Z")],
    ),
    "an end that is left out too": (("sun", "00:00", "02:30"), [("2026-03-28T23:00Z", "2026-03-29T01:00Z")]),
    "hours that are left out as a whole do not come": (("sun", "02:10", "02:50"), []),
    "a night with the change has an hour less": (
        ("sat", "22:00", "06:00"),
        [("2026-03-28T21:00Z", "2026-03-29T04:00Z")],
    ),
    "a beginning that comes twice is the first": (
        ("sun", "02:30", "06:00"),
        [("2026-10-25T00:30Z", "2026-10-25T05:00Z")],
    ),
    "an end that comes twice is the last": (
        ("sun", "00:00", "02:30"),
        [("2026-10-24T22:00Z", "2026-10-25T01:30Z")],
    ),
    "also where the clock is put back to just that time": (
        ("sun", "00:00", "02:00"),
        [("2026-10-24T22:00Z", "2026-10-25T01:00Z")],
    ),
    "both": (("sun", "02:10", "02:50"), [("2026-10-25T00:10Z", "2026-10-25T01:50Z")]),
    "a day of 25 hours": (("sun", "00:00", "24:00"), [("2026-10-24T22:00Z", "2026-10-25T23:00Z")]),
}


@pytest.mark.parametrize(("case", "month"), [(case, 3 if i < 4 else 10) for i, case in enumerate(CLOCKS)])
def test_the_nights_on_which_clocks_change(case, month):
    """To the second, in Berlin, in spring and in autumn."""
    written, expected = CLOCKS[case]
    begin, end = {
        3: ("2026-03-27T12:00Z", "2026-03-30T12:00Z"),
        10: ("2026-10-23T12:00Z", "2026-10-26T12:00Z"),
    }[month]

    found = stretches(hours(*written), wall(begin), wall(end))

    assert found == [(wall(first), wall(last)) for first, last in expected]


def test_a_span_reaches_from_its_beginning_up_to_its_end():
    """The beginning belongs to it, the end does not."""
    assert [Span(5, 7).holds(at) for at in (4, 5, 6, 7)] == [False, True, True, False]


# --- what holds of all hours, in all zones ----------------------------------------------------------------

patient = settings(max_examples=30, deadline=None)
INSTANTS = st.integers(wall("1971-01-01T00:00Z"), wall("2099-01-01T00:00Z"))
MINUTES = st.one_of(st.integers(0, 1439), st.sampled_from([0, 60, 120, 150, 180, 1439]))
HOURS = st.builds(
    Hours,
    st.one_of(st.sampled_from([WEEKDAYS, ALL]), st.frozensets(st.integers(0, 6), min_size=1)),
    MINUTES,
    st.one_of(MINUTES, st.just(1440)),
    st.sampled_from([*ZONES, *ODD_ZONES]),
)


def clock_changes(zone, year):
    """The instants (to the minute) at which the zone's clocks change in a year."""
    begin = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    days = [begin + 86400 * ahead for ahead in range(367)]

    def offset(at):
        return datetime.fromtimestamp(at, ZoneInfo(zone)).utcoffset()

    for early, late in pairwise(days):
        if offset(early) != offset(late):
            yield next(at * SECOND for at in range(early, late + 1, 60) if offset(at) != offset(early))


CHANGES = [
    (zone, at)
    for zone, years in [
        *((zone, (1996, 2026, 2037, 2050)) for zone in ZONES),
        *(("America/Havana", (2026,)), ("America/Sao_Paulo", (2018,)), ("Pacific/Apia", (2011,))),
        *(("Africa/Casablanca", (2026,)), ("Antarctica/Troll", (2026,))),
    ]
    for year in years
    for at in clock_changes(zone, year)
]


NEAR_CHANGES = st.builds(
    lambda near, watched: (replace(watched, zone=near[0]), near[1]), st.sampled_from(CHANGES), HOURS
)


def agree(watched, at, looks):
    """`holds` is the same up to the next change, and the contrary there."""
    change, before = watched.next_change(at), watched.holds(at)
    assert change > at
    if change == NEVER:
        return
    assert all(watched.holds(at + (change - 1 - at) * part // looks) is before for part in range(looks + 1))
    assert watched.holds(change) is not before


@patient
@given(HOURS, INSTANTS)
def test_nothing_changes_before_the_next_change(watched, at):
    """Live, the engine sleeps until `next_change`: nothing may happen meanwhile."""
    agree(watched, at, 50)


@patient
@given(NEAR_CHANGES, st.integers(-3 * 1440, 1440))
def test_nothing_changes_before_the_next_change_when_clocks_change(near, minutes):
    """Nor in the nights on which clocks are put forward or back."""
    watched, change = near
    agree(watched, change + minutes * MINUTE, 50)


@patient
@given(NEAR_CHANGES)
def test_hours_are_those_of_a_person_who_watches_the_clock(near):
    """Hours begin when the clock first shows their beginning or later; they end when it last shows their end, or leaps over it."""
    watched, change = near
    minutes = [change + ahead * MINUTE for ahead in range(-4 * 1440, 3 * 1440)]
    zone = ZoneInfo(watched.zone)
    shown = [datetime.fromtimestamp(at // SECOND, zone).replace(tzinfo=None) for at in minutes]
    held = [False] * len(minutes)
    for ahead in range(-1, 3):
        day = shown[3 * 1440].replace(hour=0, minute=0) + timedelta(days=ahead)
        if day.weekday() not in watched.days:
            continue
        begin = day + timedelta(minutes=watched.begin)
        end = day + timedelta(minutes=watched.end + (1440 if watched.end <= watched.begin else 0))
        first = next(index for index, clock in enumerate(shown) if clock >= begin)
        last = next(index for index in reversed(range(len(shown))) if shown[index] <= end)
        ended = last if shown[last] == end else last + 1
        held[first:ended] = [True] * (ended - first)

    looked = range(3 * 1440 + 120, 5 * 1440 - 120, 10)
    assert [watched.holds(minutes[index]) for index in looked] == [held[index] for index in looked]
