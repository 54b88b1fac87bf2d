"""Measures: tables that a person can check by hand, and what holds for every signal."""

import json
from fractions import Fraction
from itertools import pairwise
from math import isclose, sqrt
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import SECOND
from agent.rules.measure import begin, decode, encode, lose, must_last, next_due, see, unit_of
from agent.rules.measures.grid import Grid
from agent.rules.spec import Counter, Deviation, Rate, Take, Unusual, Window

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
PER_MINUTE = Rate(MINUTE, 30 * SECOND)


def nobody(tag):
    raise AssertionError(f"{tag} was asked for")


def play(measures, signal, other=nobody):
    """The state after `(seconds, value)` pairs; a value of None means that it was lost."""
    state = begin(measures)
    for at, value in signal:
        if value is None:
            state = lose(measures, state, round(at * SECOND))
        else:
            state = see(measures, state, value, round(at * SECOND), other)
    return state


def value_of(measure, signal):
    return play((measure,), signal).value


def every_second(values):
    return list(enumerate(values))


# --- windows -----------------------------------------------------------------------------------------

STAIRS = every_second([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110])
"""One value a second for ten seconds; the last has only just come and weighs nothing."""


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        (Take.AVERAGE, 55.0),
        (Take.MIN, 10),
        (Take.MAX, 110),
        (Take.MEDIAN, 55.0),
        (Take.STDEV, sqrt(825)),
    ],
)
def test_a_window_is_what_a_person_computes(take, expected):
    """Ten values, one a second: the numbers of a pocket calculator."""
    assert value_of(Window(10 * SECOND, take), STAIRS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("take", Take)
def test_a_window_of_a_constant_is_exactly_that_constant(take):
    """No rounding keeps a limit that equals the value from being reached."""
    signal = [(n * 0.37, 0.1) for n in range(200)]

    assert value_of(Window(10 * SECOND, take), signal) == (0.0 if take is Take.STDEV else 0.1)


def test_values_weigh_as_long_as_they_were_held():
    """100 held for 9 s and 0 held for 1 s are 90, although they are two samples."""
    assert value_of(Window(10 * SECOND, Take.AVERAGE), [(0, 100), (9, 0), (10, 0)]) == pytest.approx(90)


def test_the_average_of_a_switch_is_its_duty_cycle():
    """On for 3 of 10 seconds."""
    assert value_of(Window(10 * SECOND, Take.AVERAGE), [(0, True), (3, False), (10, False)]) == pytest.approx(
        0.3
    )


def test_a_window_forgets_what_is_older():
    """After another ten seconds at 7 nothing of the stairs is left."""
    assert value_of(Window(10 * SECOND, Take.MAX), [*STAIRS, (11, 7), (21.2, 7)]) == 7


def test_a_window_is_known_once_half_of_it_was_observed():
    """Before that it says how far it is."""
    measures = (Window(10 * MINUTE, Take.AVERAGE),)

    early = play(measures, [(0, 5), (180, 5)])
    half = play(measures, [(0, 5), (180, 5), (300, 5)])

    assert (early.value, early.why) == (None, "the window is not half full yet: 3 of 10 min")
    assert (half.value, half.why) == (5, "")


def test_a_window_weighs_observed_time_only():
    """10 for 4 s, nothing for 3 s, 40 for 2 s: the average is (4 x 10 + 2 x 40) / 6."""
    measures = (Window(10 * SECOND, Take.AVERAGE),)

    state = play(measures, [(0, 10), (4, None), (7, 40), (9, 40)])

    assert state.value == pytest.approx(20)


def test_what_was_lost_is_not_known_now():
    """A window of a value that cannot be read has no value; it has one again with the next."""
    measures = (Window(10 * SECOND, Take.AVERAGE),)

    lost = play(measures, [*STAIRS, (10.5, None)])

    assert lost.value is None
    assert lost.why == "the value cannot be read"
    assert next_due(measures, lost) is None
    assert see(measures, lost, 110, 11 * SECOND, nobody).value is not None


def test_a_pause_longer_than_the_window_empties_it():
    """After it the window is not half full again."""
    state = play((Window(10 * SECOND, Take.AVERAGE),), [*STAIRS, (10, None), (30, 5), (31, 5)])

    assert state.why == "the window is not half full yet: 1 of 10 s"


def test_a_greatest_counts_at_once():
    """A peak is not missed because it has weighed nothing yet, nor once it is over."""
    measures = (Window(10 * SECOND, Take.MAX),)
    peak = [*every_second([1] * 8), (8.5, 99), (8.500001, 1)]

    assert [play(measures, peak[:length]).value for length in (8, 9, 10)] == [1, 99, 99]


def test_a_fast_signal_keeps_little():
    """A value a millisecond for 20 s: the median is right within its noise, and all of it a few kB."""
    dice = Random(7)
    measures = (Window(10 * SECOND, Take.MEDIAN),)
    values = [dice.gauss(50, 5) for _ in range(20_000)]

    state = play(measures, [(n / 1000, value) for n, value in enumerate(values)])

    assert state.value == pytest.approx(median(values[10_000:]), abs=0.2)
    assert len(json.dumps(encode(measures, state))) < 40_000


@pytest.mark.parametrize("take", [Take.AVERAGE, Take.MIN, Take.MAX, Take.STDEV])
def test_a_window_is_a_few_kilobytes(take):
    """However fast the tag is."""
    dice = Random(7)
    measures = (Window(10 * SECOND, take),)

    state = play(measures, [(n / 100, dice.gauss(50, 5)) for n in range(3000)])

    assert len(json.dumps(encode(measures, state))) < 5000


# --- rates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "signal", "expected"),
    [
        ("a ramp of 2 a second", [(n, 2 * n) for n in range(61)], 120.0),
        ("polled with jitter", [(n + n % 7 * 0.03, 2 * (n + n % 7 * 0.03)) for n in range(61)], 120.0),
        ("down", [(n, 100 - n) for n in range(61)], -60.0),
        ("still", [(n, 5) for n in range(61)], 0.0),
        ("a jump after a long rest", [(0, 10), (1000, 20)], 20.0),
        ("15 s after the jump it is not over", [(0, 10), (1000, 20), (1015, 20)], 20.0),
        ("33 s after it, it is", [(0, 10), (1000, 20), (1033, 20)], 0.0),
        ("known after 30 s", [(0, 0), (30, 10)], 20.0),
        ("not before", [(0, 0), (29.9, 10)], None),
        ("the first value counts, whatever follows at once", [(0, 0), (0.1, 1), (30, 10)], 20.0),
        ("over a gap of 20 s", [(0, 0), (31, 0), (31, None), (51, 40)], 80.0),
        ("over a gap of 40 s: the last known", [(0, 0), (31, 0), (31, None), (71, 20)], 30.0),
        ("over a gap of 70 s", [(0, 0), (31, 0), (31, None), (101, 20)], None),
        ("that was refilled", [(0, 0), (31, 0), (31, None), (101, 20), (131, 40)], 40.0),
    ],
)
def test_a_rate_is_the_change_over_the_last_seconds(name, signal, expected):
    """The change over 30 s, as a change per minute."""
    assert value_of(PER_MINUTE, signal) == pytest.approx(expected), name


def test_a_rate_says_how_long_it_needs():
    """From the first value, and from the first after a gap that was too long."""
    gap = [(0, 0), (31, 0), (31, None), (101, 20), (110, 20)]

    assert play((PER_MINUTE,), [(0, 0), (12, 1)]).why == "the rate needs more time: 12 of 30 s"
    assert play((PER_MINUTE,), gap).why == "the rate needs more time: 9 of 30 s"


def test_a_rate_of_a_fast_signal_keeps_little():
    """A ramp of a value a millisecond: exact, and at most two corners a pane."""
    state = play((PER_MINUTE,), [(n / 1000, n) for n in range(90_000)])

    assert state.value == pytest.approx(60_000)
    assert len(state.stages[0].corners) < 125


# --- counters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rollover_at", "registers", "totals", "turns"),
    [
        ("counts on", 65536, [100, 150, 150, 160], [100, 150, 150, 160], 0),
        ("rolls over", 65536, [65530, 4, 10], [65530, 65540, 65546], 1),
        ("was reset: half a turn is too much", 65536, [30000, 10, 15], [30000, 30010, 30015], 1),
        ("without rollover each fall is a reset", None, [65530, 4, 10], [65530, 65534, 65540], 1),
        ("twice", 100, [90, 10, 60, 95, 5], [90, 110, 160, 195, 205], 2),
        ("beyond its own turn", 100, [500, 20], [500, 520], 1),
        ("exact beyond 53 bits", 2**64, [2**64 - 1, 3], [2**64 - 1, 2**64 + 3], 1),
    ],
)
def test_a_counter_is_unrolled(name, rollover_at, registers, totals, turns):
    """The total goes on where the register began again, and each new beginning must last."""
    measures = (Counter(rollover_at),)
    states = [play(measures, every_second(registers[: n + 1])) for n in range(len(registers))]

    assert [state.value for state in states] == totals, name
    assert sum(must_last(before, after) for before, after in pairwise(states)) == turns


def test_a_counter_that_fell_while_nobody_looked_is_judged_the_same():
    """A gap or a restart between the two values."""
    measures = (Counter(65536),)
    state = play(measures, [(0, 65530), (1, None)])

    again = see(measures, decode(measures, encode(measures, state), 0), 4, 2 * SECOND, nobody)

    assert again.value == 65540
    assert must_last(state, again)


def test_a_switch_is_no_counter():
    """It is refused, in a sentence."""
    with pytest.raises(TypeError, match="True is a switch, a counter is a number"):
        play((Counter(None),), [(0, True)])


def test_power_is_the_rate_of_a_meter():
    """A meter of kWh that rolls over, 100 kWh in 15 min: 400 kWh an hour, over the rollover as well."""
    measures = (Counter(65536), Rate(HOUR, 15 * MINUTE))
    signal = [(60 * n, (65500 + n * 100 / 15) % 65536) for n in range(16)]

    assert play(measures, signal).value == pytest.approx(400)
    assert unit_of(measures, "kWh") == "kWh/h"


# --- deviation ----------------------------------------------------------------------------------------


def test_a_deviation_is_how_far_the_value_is_above():
    """Below is negative; without the other tag it is not known."""
    measures = (Deviation("R1.SP"),)

    state = see(measures, begin(measures), 97.5, 0, {"R1.SP": 100.0}.get)
    blind = see(measures, state, 97.5, 1, {}.get)

    assert (state.value, state.why) == (-2.5, "")
    assert (blind.value, blind.why) == (None, "R1.SP cannot be read")


def test_the_rate_of_a_deviation_counts_no_time_in_which_the_other_was_unknown():
    """The setpoint was away for 70 s: the rate begins again."""
    measures = (Deviation("SP"), PER_MINUTE)
    setpoints = {0: 0.0, 31: 0.0, 101: 0.0}
    state = begin(measures)

    for at, value in ((0, 1), (31, 1), (32, 1), (101, 2), (110, 2)):
        state = see(
            measures, state, value, at * SECOND, lambda _, at=at: setpoints.get(at, 0.0 if at > 101 else None)
        )

    assert state.why == "the rate needs more time: 9 of 30 s"


# --- unusual ------------------------------------------------------------------------------------------

LEARN = Unusual(512 * SECOND)
"""One slot a second."""


def learned(values, last, at_least=0.0):
    signal = [*every_second(values), (len(values) - 1, last)]
    return value_of(Unusual(512 * SECOND, at_least), signal)


@pytest.mark.parametrize(
    ("name", "values", "last", "at_least", "expected"),
    [
        # The median of 0..511 is 255.5, the median distance from it 128.
        ("above", list(range(512)), 511, 0.0, 255.5 / (1.4826 * 128)),
        ("below", list(range(512)), 0, 0.0, -255.5 / (1.4826 * 128)),
        ("the least spread", list(range(512)), 511, 511.0, 0.5),
        ("nothing ever moved", [7] * 512, 7, 0.0, 0.0),
        ("and then it does", [7] * 512, 7.1, 0.0, 1000.0),
        ("downwards", [7] * 512, 6.9, 0.0, -1000.0),
        ("never beyond 1000", [7] * 512, 1e9, 0.5, 1000.0),
        ("faults do not spoil it", [*([5, 6] * 128), *([900] * 200), *([5, 6] * 28)], 6, 0.0, 0.0),
    ],
)
def test_a_score_is_the_distance_in_robust_spreads(name, values, last, at_least, expected):
    """(value - median) / max(1.4826 MAD, at_least)."""
    assert learned(values, last, at_least) == pytest.approx(expected), name


def test_a_score_says_how_far_it_has_learned():
    """Only observed time counts: a plant that stood still for a day has learned nothing in it."""
    state = play((Unusual(14 * DAY),), [(0, 1), (3 * 86_400, 2), (3 * 86_400, None), (4 * 86_400, 1)])

    assert state.value is None
    assert state.why == "learning: 3 of 14 d"


def test_what_was_learned_slides():
    """A new normal is normal after half of the time."""
    measures, shifted = (LEARN,), [(n, (n % 10) + (1000 if n >= 512 else 0)) for n in range(1024)]

    assert play(measures, shifted[:520]).value > 100
    assert abs(play(measures, shifted).value) < 2


def test_a_slot_has_its_first_value():
    """A thousand values within a second are one of the 512."""
    fast = [(n + k / 10, k * 1000 if k else 5) for n in range(512) for k in range(10)]

    assert value_of(LEARN, [*fast, (512, 5)]) == 0.0


def test_what_is_held_at_the_beginning_of_a_slot_is_its_first_value():
    """5 is held over each beginning, 1000 comes and goes within the slots."""
    slots = [pair for n in range(513) for pair in ((n + 0.5, 1000), (n + 0.9, 5))]

    assert value_of(LEARN, [(0, 5), *slots]) == 0.0


# --- what holds for all -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("open", "'open' is no number"),
        (float("nan"), "nan is no number to compute with"),
        (float("inf"), "inf is no number to compute with"),
        (10**400, "the number is too large to compute with"),
    ],
)
def test_what_is_no_number_is_refused(value, sentence):
    """In a sentence, and nothing has changed."""
    with pytest.raises(TypeError, match=f"^{sentence}$"):
        see((PER_MINUTE,), begin((PER_MINUTE,)), value, 0, nobody)


@pytest.mark.parametrize(
    ("measures", "unit", "expected"),
    [
        ((Rate(SECOND, SECOND),), "°C", "°C/s"),
        ((Rate(MINUTE, SECOND),), "°C", "°C/min"),
        ((Rate(HOUR, SECOND),), "kWh", "kWh/h"),
        ((Rate(10 * MINUTE, SECOND),), "mm", "mm/10 min"),
        ((Window(HOUR, Take.STDEV),), "bar", "bar"),
        ((Deviation("SP"),), "bar", "bar"),
        ((Rate(MINUTE, SECOND), Unusual(HOUR)), "bar", ""),
        ((), "bar", "bar"),
    ],
)
def test_the_unit_is_that_of_what_is_measured(measures, unit, expected):
    """A rate has a unit of its own, a score has none."""
    assert unit_of(measures, unit) == expected


STAGES = [
    (Window(10 * SECOND, Take.AVERAGE),),
    (Window(7 * SECOND + 1, Take.STDEV),),
    (Window(10 * SECOND, Take.MIN),),
    (Window(10 * SECOND, Take.MAX),),
    (Window(10 * SECOND, Take.MEDIAN),),
    (Rate(MINUTE, 10 * SECOND),),
    (Unusual(30 * SECOND),),
    (Counter(60),),
    (Deviation("SP"),),
    (Counter(60), Rate(MINUTE, 10 * SECOND)),
    (Window(10 * SECOND, Take.AVERAGE), Rate(MINUTE, 5 * SECOND)),
    (Window(10 * SECOND, Take.MAX), Deviation("SP"), Unusual(10 * SECOND)),
]
chains = st.sampled_from(STAGES)
pauses = st.sampled_from([1, 7, 100, 500, 1000, 1000, 1000, 2500, 30_000])
levels = st.one_of(st.integers(0, 50), st.floats(-1e6, 1e6), st.sampled_from([20, 21, None]))


@st.composite
def signals(draw):
    """`(milliseconds, value or None)`; None is a loss."""
    now, signal = draw(st.integers(0, 10_000)), []
    for _ in range(draw(st.integers(1, 60))):
        signal.append((now, draw(levels)))
        now += draw(pauses)
    return signal


few = settings(max_examples=settings.default.max_examples // 2, deadline=None)
"""Long signals; a busy machine takes its time over them."""


def setpoint(_):
    return 20.0


def stepped(measures, state, at, value):
    if value is None:
        return lose(measures, state, at * SECOND // 1000)
    return see(measures, state, value, at * SECOND // 1000, setpoint)


@pytest.mark.parametrize(
    ("measures", "settled", "ticks"),
    [
        ((Window(10 * SECOND, Take.AVERAGE),), 100, range(60, 64)),
        ((Window(10 * SECOND, Take.MIN),), 100, range(60, 64)),
        ((Window(10 * SECOND, Take.STDEV),), 0, range(60, 64)),
        ((Rate(MINUTE, 10 * SECOND),), 0, range(1, 12)),
        ((Window(10 * SECOND, Take.AVERAGE), Rate(MINUTE, 10 * SECOND)), 0, range(115, 190)),
    ],
)
def test_a_held_value_is_due_until_it_is_all_there_is(measures, settled, ticks):
    """Sixty panes after the last change, and not a tick more; what is left is exact."""
    state, looks = play(measures, [*STAIRS, (10.05, 100)]), 0
    while (due := next_due(measures, state)) is not None:
        state, looks = see(measures, state, 100, due, nobody), looks + 1

    assert state.value == settled
    assert looks in ticks


@pytest.mark.parametrize("measures", STAGES, ids=str)
def test_a_thousand_looks_change_nothing(measures):
    """A random signal for two minutes, looked at at random instants between its values."""
    dice = Random(3)
    once = often = begin(measures)
    for now in range(0, 120_000, 750):
        value = dice.choice([5, 17, 17, 28.5, 40])
        once, often = stepped(measures, once, now, value), stepped(measures, often, now, value)
        for look in sorted(dice.sample(range(now, now + 750), 6)):
            often = stepped(measures, often, look, value)
        once, often = (stepped(measures, each, now + 749, value) for each in (once, often))

        assert often == once


@few
@given(chains, signals(), st.data())
def test_looking_more_often_changes_nothing(measures, signal, data):
    """Between the values the held one is seen any number of times: what follows is exactly the same."""
    once = often = begin(measures)
    for (at, value), (until, _) in pairwise([*signal, (signal[-1][0] + 1, None)]):
        once, often = stepped(measures, once, at, value), stepped(measures, often, at, value)
        for look in sorted(data.draw(st.lists(st.integers(at, max(at, until - 1)), max_size=4))):
            if value is not None:
                often = stepped(measures, often, look, value)
        if value is not None:
            once, often = (stepped(measures, each, until - 1, value) for each in (once, often))

        assert often == once


@few
@given(chains, signals())
def test_what_is_due_is_looked_at_and_changes_nothing_else(measures, signal):
    """Seen at every due instant, the later values are the same; and the due instants come to an end."""
    plain = ticked = begin(measures)
    for (at, value), (until, _) in pairwise([*signal, (signal[-1][0] + 100_000, None)]):
        plain, ticked = stepped(measures, plain, at, value), stepped(measures, ticked, at, value)
        ticks = 0
        while (due := next_due(measures, ticked)) is not None and due < until * SECOND // 1000:
            before, ticked, ticks = due, see(measures, ticked, value, due, setpoint), ticks + 1
            after = next_due(measures, ticked)
            assert after is None or after > before
        plain, ticked = stepped(measures, plain, until, value), stepped(measures, ticked, until, value)

        assert ticked == plain
        assert ticks < 1500


@few
@given(chains, signals())
def test_once_nothing_is_due_the_value_stays(measures, signal):
    """An idle plant causes no ticks, and misses nothing by that."""
    state = begin(measures)
    for at, value in signal:
        state = stepped(measures, state, at, value)
    if state.held is None or next_due(measures, state) is not None:
        return
    later = see(measures, state, state.held, state.at + HOUR, setpoint)

    assert later.value == state.value
    assert next_due(measures, later) is None


@few
@given(chains, signals(), st.integers(-(10**15), 10**15))
def test_a_state_survives_being_written(measures, signal, shift):
    """As JSON, after every step; on another time base all goes on the same."""
    state = moved = begin(measures)
    for at, value in signal:
        state = stepped(measures, state, at, value)
        assert decode(measures, json.loads(json.dumps(encode(measures, state))), 0) == state
        moved = decode(measures, encode(measures, moved), 0)
        instant = at * SECOND // 1000 + shift
        moved = (
            lose(measures, moved, instant)
            if value is None
            else see(measures, moved, value, instant, setpoint)
        )

        assert (moved.value, moved.why) == (state.value, state.why)


def test_a_measure_that_was_changed_begins_anew():
    """And what comes after it; what comes before goes on."""
    before = (Counter(100), Rate(MINUTE, 10 * SECOND), Unusual(HOUR))
    after = (Counter(100), Rate(MINUTE, 20 * SECOND), Unusual(HOUR))
    kept = encode(before, play(before, every_second(range(20))))

    state = decode(after, kept, 0)

    assert state.stages[0].total == 19
    assert state.stages[1:] == begin(after).stages[1:]
    assert state.value is None


def exact(measure, signal, now):
    """The pieces `(value, time)` of a window as a person would cut them, whole nanoseconds."""
    grid, origin = Grid(measure.over, 60), signal[0][0]
    begun = grid.begin(origin, max(0, grid.pane(origin, now) - 60))
    pieces = []
    for (at, value), (until, _) in pairwise([*signal, (now, None)]):
        time = min(until, now) - max(at, begun)
        if value is not None and time > 0:
            pieces.append((value, time))
    return pieces


numbers = st.lists(st.tuples(pauses, st.one_of(st.none(), st.integers(-50, 50))), min_size=1, max_size=60)


@given(st.sampled_from([10 * SECOND, 7 * SECOND + 1, 999]), numbers, st.sampled_from(Take))
def test_a_window_is_exact(over, steps, take):
    """Against the plain computation over the whole history, with fractions."""
    measure, signal, now = Window(over, take), [(12_345, 3)], 12_345
    state = see((measure,), begin((measure,)), 3, now, nobody)
    for pause, value in steps:
        now += pause * SECOND // 1000
        signal.append((now, value))
        state = lose((measure,), state, now) if value is None else see((measure,), state, value, now, nobody)
    if state.held is None:
        return
    pieces = exact(measure, signal, now)
    whole = sum(time for _, time in pieces)
    if 2 * whole < over:
        assert state.value is None
        return
    values = [value for value, _ in pieces]
    mean = Fraction(sum(value * time for value, time in pieces), whole)
    square = Fraction(sum((value - mean) ** 2 * time for value, time in pieces), whole)
    held = state.held
    expected = {
        Take.AVERAGE: float(mean),
        Take.MIN: min([*values, held]),
        Take.MAX: max([*values, held]),
        Take.STDEV: sqrt(square),
        Take.MEDIAN: state.value,
    }[take]
    assert isclose(state.value, expected, rel_tol=1e-9, abs_tol=1e-7)
    if take is Take.MEDIAN:
        assert 2 * sum(time for value, time in pieces if value <= state.value) >= whole
        assert 2 * sum(time for value, time in pieces if value >= state.value) >= whole
