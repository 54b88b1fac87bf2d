"""Retry-After and Date: read as receivers write them, ignored when they cannot be."""

import datetime as dt
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.http_time import clock_offset, http_date, retry_after
from agent.model import SECOND

DAY = 86_400 * SECOND
NOON = 1_795_262_400  # 2026-11-21 12:00:00 UTC
NOON_TEXT = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("120.1", 121),
        ("120.6", 121),
        ("120.0", 120),
        (" 5 ", 5),
        ("86401", 86_400),
        ("9" * 18, 86_400),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30),
        ("Saturday, 21-Nov-26 12:00:30 GMT", 30),
        ("Sat Nov 21 12:00:30 2026", 30),
        ("Sun, 22 Nov 2027 12:00:00 GMT", 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("0", None),
        ("-5", None),
        ("invalid", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        ("Sat, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after(text, seconds):
    """Seconds rounded up, dates relative to the answer's own, at most a day; nonsense is no wait."""
    headers = {"retry-after": text, "date": NOON_TEXT}

    assert (seconds and seconds * SECOND) == retry_after(headers, 0)


def test_a_date_without_the_answers_own_is_relative_to_our_clock():
    """The best that is known then."""
    assert retry_after({"retry-after": NOON_TEXT}, (NOON - 9) * SECOND) == 9 * SECOND


@given(st.text(max_size=60), st.text(max_size=60), st.integers(-(2**62), 2**62))
def test_nothing_that_a_receiver_writes_breaks_it(text, date, wall):
    """Whatever stands there: no exception, and a wait between nothing and a day."""
    wait = retry_after({"retry-after": text, "date": date}, wall)

    assert wait is None or 0 < wait <= DAY


@given(st.integers(1, 86_400), st.integers(0, 2**31))
def test_a_date_means_the_same_as_its_distance(seconds, now):
    """Our clock plays no part where the answer has a date."""
    told = dt.datetime.fromtimestamp(now, dt.UTC)
    headers = {
        "date": format_datetime(told, usegmt=True),
        "retry-after": format_datetime(told + dt.timedelta(seconds=seconds), usegmt=True),
    }

    assert retry_after(headers, 123) == seconds * SECOND


@given(st.integers(1, 86_399), st.integers(1, 999))
def test_fractions_are_rounded_up(whole, thousandths):
    """Never sooner than asked."""
    wait = retry_after({"retry-after": f"{whole}.{thousandths:03d}"}, 0)

    assert wait == (whole + 1) * SECOND


@pytest.mark.parametrize(
    ("known", "ahead_s", "expected_s"),
    [
        (0, 0, 0),
        (0, 1.4, 0),
        (0, 90, 90.5),
        (0, -7200, -7199.5),
        (90.5, 91, 90.5),
        (90.5, 200, 200.5),
        (90.5, 1, 0),
    ],
)
def test_the_receivers_clock_is_learnt_from_its_date(known, ahead_s, expected_s):
    """A difference of seconds counts, a flicker does not; half of Date's second is added."""
    wall = NOON * SECOND - round(ahead_s * SECOND)

    assert clock_offset(round(known * SECOND), NOON_TEXT, wall) == round(expected_s * SECOND)


@pytest.mark.parametrize("years", [-57, -2, 10, 60])
def test_a_clock_years_away_is_corrected_by_one_answer(years):
    """An industrial PC that starts in 1970 signs within five seconds of the receiver's time (C2)."""
    wall = NOON * SECOND + years * 365 * DAY
    offset = clock_offset(0, NOON_TEXT, wall)

    assert abs(wall + offset - NOON * SECOND) < 5 * SECOND


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2200 00:00:00 GMT"]
)
def test_what_is_no_clock_teaches_nothing(date):
    """What was known stays."""
    assert clock_offset(42 * SECOND, date, NOON * SECOND) == 42 * SECOND


def test_http_dates_are_exact():
    """To the second, in UTC."""
    assert http_date(NOON_TEXT) == NOON * SECOND
