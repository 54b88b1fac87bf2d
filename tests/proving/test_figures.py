"""The figures against counts by hand, and the curves of what was seen."""

from itertools import pairwise

import pytest
from rigs.rules import high

from agent.model import SECOND, Event, EventType, Kind, Priority, TagSpec
from agent.proving.cells import Values
from agent.proving.columns import Column
from agent.proving.curve import MOST_BUCKETS, Compared
from agent.proving.figures import DAY, HOUR, Count, Floods, Lost, Standing
from agent.proving.record import Edge, Strip
from agent.proving.results import Doing, Stretch
from agent.proving.series import SeriesRecord
from agent.proving.thinning import Thinned, quantile
from agent.rules.machine import Phase

RAISED, RETURNED = EventType.ALARM_RAISED, EventType.ALARM_RETURNED


def event(kind, seconds):
    return Event("evt", kind, round(seconds * SECOND), "R", Priority.MEDIUM)


def counted(*raises):
    count = Count()
    for at in raises:
        count.add(event(RAISED, at))
    count.floods.end(DAY)
    return count.figures(DAY, Standing(), Lost(), None)


def test_alarms_are_counted_by_the_clock():
    """Two in the first ten minutes of the second hour, one at its end; half a day has half as many."""
    figures = counted(3600, 3700, 7199)

    assert (figures.alarms, figures.per_day, figures.peak_10_minutes, figures.peak_hour) == (3, 3, 2, 3)
    assert figures.per_10_minutes == pytest.approx(3 / 144)


def test_a_flood_begins_with_the_eleventh_and_ends_below_five():
    """Alarms at 0, 10, ... 100 s: the 11th begins it; it ends when the 7th is ten minutes old: 4 are left."""
    floods = Floods()
    for at in range(0, 110, 10):
        floods.add(at * SECOND)
    floods.end(DAY)

    assert floods.spans == [(100 * SECOND, 660 * SECOND)]
    assert floods.length == 560 * SECOND


def test_ten_alarms_are_no_flood():
    """More than ten are."""
    floods = Floods()
    for at in range(10):
        floods.add(at * SECOND)
    floods.end(DAY)

    assert (floods.spans, floods.length) == ([], 0)


@pytest.mark.parametrize(
    ("raises", "chattering"),
    [((0, 30, 60), 1), ((0, 30, 61), 0), ((0, 10, 20, 30), 2), ((0, 100, 130, 160), 1)],
)
def test_the_third_raise_within_a_minute_is_chattering(raises, chattering):
    """Each raise that is the third or later within 60 s is one."""
    standing = Standing()
    for at in raises:
        standing.add(event(RAISED, at))

    assert standing.chattering == chattering


def test_fleeting_and_standing():
    """60 s are fleeting, more than a day is standing, and so is one that is still open at the end."""
    standing = Standing()
    for kind, at in ((RAISED, 0), (RETURNED, 60), (RAISED, 100), (RETURNED, 161), (RAISED, 200)):
        standing.add(event(kind, at))
    standing.add(event(RETURNED, 200 + 86_401))
    standing.add(event(RAISED, 300_000))
    standing.end(300_000 * SECOND + DAY + 1)

    assert (standing.fleeting, standing.long) == (1, 2)


def test_a_strip_is_thinned_and_its_totals_stay_exact():
    """A rule that chatters for a day has a bar that can be drawn, and the time it was active to the second."""
    strip = Strip("high", 0)
    for second in range(20_000):
        strip.become(Doing.ACTIVE if second % 2 else None, second * SECOND)
    stretches = strip.stretches(20_000 * SECOND)

    assert strip.totals == {Doing.ACTIVE: 10_000 * SECOND}
    assert len(stretches) <= 2_000
    assert (stretches[0].begin, stretches[-1].end) == (SECOND, 20_000 * SECOND)
    assert all(a.end <= b.begin for a, b in pairwise(stretches))


def test_a_strip_as_it_is():
    """Few stretches are told as they were."""
    strip = Strip("high", 0)
    strip.become(Doing.PENDING, 5)
    strip.become(Doing.ACTIVE, 8)

    assert strip.stretches(20) == [Stretch("high", Doing.PENDING, 5, 8), Stretch("high", Doing.ACTIVE, 8, 20)]


def test_excursions_count_whether_announced_or_not():
    """Pending for 3 s, away for 10, beyond for 70 with a short return inside the alarm."""
    edge = Edge(high(on=5, off=5).say)
    for phase, at in (
        *((Phase.PENDING, 10), (Phase.NORMAL, 13), (Phase.PENDING, 23), (Phase.ACTIVE, 28)),
        *((Phase.CLEARING, 93), (Phase.ACTIVE, 95), (Phase.CLEARING, 97), (Phase.NORMAL, 102)),
    ):
        edge.become(phase, at * SECOND)
    found = edge.excursions()

    assert found.count == 3
    assert [length // SECOND for length in found.lengths] == [3, 70, 2]
    assert [length // SECOND for length in found.fleeting] == [3, 2]
    assert [gap // SECOND for gap in found.apart] == [10, 2]


# --- a tag's curve -----------------------------------------------------------------------------------


def recorded(values, *, interval=SECOND, stale=3 * SECOND, portion=500):
    record = SeriesRecord(TagSpec("T", "plc", "°C"), interval, stale, 0)
    cells = [value if isinstance(value, str) else f"{value:.4f}" for value in values]
    for begin in range(0, len(cells), portion):
        part = cells[begin : begin + portion]
        numbers = None if "bad" in part else [float(cell) for cell in part]
        times = range(begin * interval, (begin + len(part)) * interval, interval)
        known = Values(Kind.ANY, decimal_comma=False)
        record.add(Column("T", list(times), part, known, None, numbers))
    return record.series((len(cells) - 1) * interval)


def test_the_curve_keeps_every_peak():
    """However long the history: at most 2,000 buckets, and the highest value is in one of them."""
    values = [1.0] * 30_000
    values[12_345] = 99.0
    series = recorded(values)

    assert 500 < len(series.buckets) <= MOST_BUCKETS
    peak = next(bucket for bucket in series.buckets if bucket.greatest == 99)
    assert peak.begin <= 12_345 * SECOND < peak.begin + series.width
    assert peak.least == 1


def test_gaps_are_bad_samples_and_silence():
    """Bad at once, silence after `stale_after`; up to the next good value."""
    series = recorded([1, 2, "bad", "bad", 5, 6, 7])

    assert series.gaps == ((2 * SECOND, 4 * SECOND),)
    assert (series.samples, series.bad, series.blind) == (7, 2, 2 * SECOND)

    record = SeriesRecord(TagSpec("T", "plc"), SECOND, 3 * SECOND, 0)
    times = [0, SECOND, 10 * SECOND, 11 * SECOND]
    record.add(Column("T", times, ["1"] * 4, Values(Kind.ANY, decimal_comma=False), None, [1.0] * 4))
    assert record.series(20 * SECOND).gaps == ((4 * SECOND, 10 * SECOND), (14 * SECOND, 20 * SECOND))


def test_what_a_rule_compares_holds_until_it_is_lost():
    """Unknown, 3 from 10 s, a peak of 8 at 20 s, lost at 30 s, found at 40 s, and held to the end."""
    compared = Compared("°C/min", SECOND, 0)
    for value, at in ((None, 5), (3.0, 10), (8.0, 20), (3.0, 20), (None, 30), ("text", 35), (4.0, 40)):
        compared.see(value, at * SECOND)
    series = compared.series(50 * SECOND)

    assert series.gaps == ((0, 10 * SECOND), (30 * SECOND, 40 * SECOND))
    assert [(each.begin // SECOND, each.least, each.greatest) for each in series.buckets] == [
        (10, 3, 3), (20, 3, 8), (30, 3, 3), (40, 4, 4), (50, 4, 4)
    ]  # fmt: skip
    assert (series.tag.unit, series.tag.kind) == ("°C/min", Kind.NUMBER)


def test_a_calculation_of_switches_is_one():
    """It is drawn as true and false."""
    compared = Compared("", SECOND, 0)
    for at in range(10):
        compared.see(at > 5, at * SECOND)

    assert compared.series(10 * SECOND).tag.kind is Kind.SWITCH


def test_thinning_is_even_and_bounded():
    """Every n-th, whatever portions it came in."""
    one, other = Thinned(100), Thinned(100)
    one.extend(range(10_000))
    for begin in range(0, 10_000, 7):
        other.extend(range(begin, min(begin + 7, 10_000)))

    assert one.kept == other.kept == list(range(0, 10_000, 128))
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([], 0.5) is None


def test_the_hour_of_an_alarm():
    """The calendar's key is the hour's beginning."""
    count = Count()
    count.add(event(RAISED, 7_201))

    assert count.hours == {2 * HOUR: 1}
