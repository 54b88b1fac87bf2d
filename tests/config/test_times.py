"""Days, times of day and zones, as people write them."""

import pytest

from agent.config.times import parse_clock, parse_days, zone_of


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        (["mon", "tue"], {0, 1}),
        (["mon-tue", "sun"], {0, 1, 6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("Mon-Sun", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_days_are_read(written, days):
    """Names, ranges (over the weekend too) and lists of both."""
    assert parse_days(written) == days


@pytest.mark.parametrize(
    "written", ["", "mo", "mon-", "-fri", "mon--fri", "mon,,tue", "mon tue", [], ["weekdays"]]
)
def test_what_is_no_day_is_refused(written):
    """With what may be written."""
    with pytest.raises(ValueError, match="expected days such as mon-fri"):
        parse_days(written)


def test_times_are_read():
    """Minutes after midnight; 24:00 is the midnight that ends a day."""
    assert [parse_clock(text) for text in ("00:00", "06:05", "23:59", "24:00")] == [0, 365, 1439, 0]


@pytest.mark.parametrize(
    "written",
    ["24:01", "25:00", "12:60", "6", "0600", "06.00", "6 am", "", "-1:00", "1320", "\u0660\u0666:00"],
)
def test_what_is_no_time_is_refused(written):
    """With what may be written."""
    with pytest.raises(ValueError, match="expected a time of day such as 06:00"):
        parse_clock(written)


@pytest.mark.parametrize(
    "written", ["", "Europe", "Europe/Berlijn", "../UTC", "/etc/localtime", "Berlin", "x\0y", "x" * 5000]
)
def test_what_is_no_zone_is_refused(written):
    """Whatever the file system thinks of the name."""
    with pytest.raises(ValueError, match="unknown time zone"):
        zone_of(written)
