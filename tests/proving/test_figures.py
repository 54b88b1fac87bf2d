"""The figures against counts by hand, and the suggestions against signals whose noise is known."""

import random
from itertools import pairwise

import pytest
from rigs.rules import high, high_high, rule

from agent.model import SECOND, Event, EventType, Kind, Priority, TagSpec
from agent.proving.cells import Values
from agent.proving.columns import Column
from agent.proving.figures import DAY, HOUR, MINUTE, Count, Floods, Lost, Standing
from agent.proving.record import Edge, Strip
from agent.proving.results import Doing, Excursions, Stretch
from agent.proving.series import MOST_BUCKETS, SeriesRecord, noise
from agent.proving.suggestions import readable, suggest
from agent.proving.thinning import Thinned, quantile
from agent.rules.machine import Phase
from agent.rules.spec import Wording

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


# --- a tag's curve and noise ----------------------------------------------------------------------------


def recorded(values, *, interval=SECOND, stale=3 * SECOND, portion=500):
    record = SeriesRecord(TagSpec("T", "plc", "°C"), interval, stale, 0)
    cells = [value if isinstance(value, str) else f"{value:.4f}" for value in values]
    for begin in range(0, len(cells), portion):
        part = cells[begin : begin + portion]
        numbers = None if "bad" in part else [float(cell) for cell in part]
        times = range(begin * interval, (begin + len(part)) * interval, interval)
        known = Values(Kind.ANY, decimal_comma=False)
        record.add(Column("T", list(times), part, known, None, numbers), standing=False)
    return record.series((len(cells) - 1) * interval)


def test_the_noise_of_white_noise_is_its_sigma():
    """Slow changes under it hardly count: MAD of first differences."""
    dice = random.Random(1)
    drift = [at / 1_000 + dice.gauss(0, 0.35) for at in range(20_000)]

    assert noise([b - a for a, b in pairwise(drift)]) == pytest.approx(0.35, rel=0.05)
    assert recorded(drift).spread.noise == pytest.approx(0.35, rel=0.1)


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
    record.add(
        Column("T", times, ["1"] * 4, Values(Kind.ANY, decimal_comma=False), None, [1.0] * 4), standing=False
    )
    assert record.series(20 * SECOND).gaps == ((4 * SECOND, 10 * SECOND), (14 * SECOND, 20 * SECOND))


def test_a_quantile_needs_enough_samples():
    """Of a few values nobody can say what is normal."""
    assert recorded([1, 2, 3] * 20).spread.high is None
    assert recorded([1.0, 2.0] * 1_000).spread.high == 2


def test_thinning_is_even_and_bounded():
    """Every n-th, whatever portions it came in."""
    one, other = Thinned(100), Thinned(100)
    one.extend(range(10_000))
    for begin in range(0, 10_000, 7):
        other.extend(range(begin, min(begin + 7, 10_000)))

    assert one.kept == other.kept == list(range(0, 10_000, 128))
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([], 0.5) is None


# --- suggestions ------------------------------------------------------------------------------------------


def excursions(lengths=(), apart=(), on=0, off=0):
    times = tuple(length * SECOND for length in lengths)
    fleeting = tuple(time for time in times if time <= MINUTE)
    gaps = tuple(gap * SECOND for gap in apart)
    return Excursions("high", on * SECOND, off * SECOND, len(times), times, fleeting, gaps)


def advice(spec, series=None, found=()):
    return {each.key: each.suggested for each in suggest(spec, series, found, 10)}


def noisy(sigma, count=5_000):
    dice = random.Random(2)
    return recorded([100 + dice.gauss(0, sigma) for _ in range(count)])


def test_a_deadband_of_six_sigma_readable():
    """Sigma 0.35 gives 2.1, written as 2.5 (or 2, where the sample has a little less)."""
    assert advice(rule(high(170)), noisy(0.35))["deadband"] in ("2", "2.5")


def test_a_deadband_of_two_steps():
    """A register that shows tenths and hardly moves: two of its steps."""
    values = ([5.0] * 50 + [5.1] * 50) * 20

    assert advice(rule(high(5.1)), recorded(values))["deadband"] == "0.2"


def test_a_deadband_stays_clear_of_the_next_limit():
    """At most a quarter of the way, rounded down."""
    assert advice(rule(high(170), high_high(174)), noisy(0.5))["deadband"] == "1"


@pytest.mark.parametrize("series", [recorded([1.0, 2.0] * 20), None])
def test_too_little_data_gives_no_number(series):
    """It is said, or nothing is said; never a guess."""
    assert not advice(rule(high(170)), series, [excursions([3])]).get("deadband")


def test_a_rule_that_has_what_it_needs_is_left_alone():
    """The deadband is wide enough: nothing is suggested; nor for a rule without alarms."""
    assert "deadband" not in advice(rule(high(170, 3)), noisy(0.35))
    assert suggest(rule(high(170)), noisy(0.35), [], 0) == ()


def test_a_limit_within_normal_operation_is_told():
    """99.9 % reach beyond it: each swing is an alarm by construction."""
    (told,) = (each for each in suggest(rule(high(100.5, 9)), noisy(0.35), [], 10) if each.key == "limit")

    assert "99.9 % of normal operation goes up to 101" in told.text
    assert advice(rule(high(102, 9)), noisy(0.35)).get("limit") is None


@pytest.mark.parametrize(
    ("lengths", "on", "response", "suggested"),
    [
        ([2] * 19 + [9], 0, None, "5s"),
        ([2] * 10 + [9] * 10, 0, None, "10s"),
        ([58] * 20, 0, None, "60s"),
        ([58] * 20, 0, 120, "30s"),
        ([2] * 20, 5, None, None),
        ([2] * 4, 0, None, ""),
        ([300] * 20, 0, None, None),
    ],
)
def test_on_delay(lengths, on, response, suggested):
    """The smallest usual delay above 95 % of short excursions, within a quarter of the time to respond."""
    wording = Wording(time_to_respond=None if response is None else response * SECOND)
    spec = rule(high(170, on=on), wording=wording)

    assert advice(spec, None, [excursions(lengths, on=on)]).get("on_delay") == suggested


def test_off_delay_is_about_returns_that_did_not_last():
    """What comes back an hour later is another alarm."""
    assert advice(rule(high()), None, [excursions([90] * 30, [12] * 20 + [3600] * 9)])["off_delay"] == "15s"
    assert "off_delay" not in advice(rule(high()), None, [excursions([90] * 30, [3600] * 29)])


@pytest.mark.parametrize(
    ("number", "up", "down"), [(2.1, 2.5, 2.0), (0.0312, 0.04, 0.03), (10, 10, 10), (0, 0, 0), (97, 100, 80)]
)
def test_readable_numbers(number, up, down):
    """What a person would write, never the wrong side of it."""
    assert (readable(number), readable(number, up=False)) == (up, down)


def test_the_hour_of_an_alarm():
    """The calendar's key is the hour's beginning."""
    count = Count()
    count.add(event(RAISED, 7_201))

    assert count.hours == {2 * HOUR: 1}
