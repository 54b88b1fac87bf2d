"""What is normal to a rule, and what is suggested of it, against signals whose noise is known."""

import random
from itertools import pairwise

import pytest
from rigs.rules import high, high_high, low, rule

from agent.model import SECOND, TagSpec
from agent.proving.figures import MINUTE
from agent.proving.normal import Mood, NormalRecord, noise
from agent.proving.results import Excursions
from agent.proving.suggestions import readable, suggest
from agent.rules.spec import Wording

CALM, BEYOND, UNWATCHED = Mood.CALM, Mood.BEYOND, Mood.UNWATCHED


def seen(values, turns=((0, CALM),), *, stale=3 * SECOND, portion=500):
    """Normal operation when a value came each second, and the rule stood so from each of the turns on."""
    record = NormalRecord(stale)
    for begin in range(0, len(values), portion):
        end = min(begin + portion, len(values))
        for at, mood in turns:
            if begin <= at < end:
                record.become(mood, at * SECOND)
        record.add([at * SECOND for at in range(begin, end)], values[begin:end])
    return record.found()


# --- normal operation ---------------------------------------------------------------------------------


def test_the_noise_of_white_noise_is_its_sigma():
    """Slow changes under it hardly count: MAD of first differences."""
    dice = random.Random(1)
    drift = [at / 1_000 + dice.gauss(0, 0.35) for at in range(20_000)]

    assert noise([b - a for a, b in pairwise(drift)]) == pytest.approx(0.35, rel=0.05)
    assert seen(drift).noise == pytest.approx(0.35, rel=0.1)


def test_a_quantile_needs_enough_samples():
    """Of a few values nobody can say what is normal."""
    assert seen([1, 2, 3] * 20).high is None
    assert seen([1.0, 2.0] * 1_000).high == 2


@pytest.mark.parametrize("portion", [7, 500])
def test_what_nobody_watched_is_not_normal(portion):
    """A pump that stands still for half the time, its rule disabled, suppressed or blind: its 0 is nobody's limit."""
    dice = random.Random(4)
    values = [dice.gauss(20, 0.5) for _ in range(4_000)] + [0.0] * 4_000
    normal = seen(values, ((0, CALM), (4_000, UNWATCHED)), portion=portion)

    assert normal.samples == 4_000
    assert normal.low > 17
    assert normal.noise == pytest.approx(0.5, rel=0.15)


@pytest.mark.parametrize(
    ("length", "highest"), [(60, 9.0), (61, 1.0)], ids=["over within a minute", "stood for longer"]
)
@pytest.mark.parametrize("portion", [7, 500])
def test_an_alarm_that_stood_is_not_normal_and_a_fleeting_one_is(length, highest, portion):
    """Twenty excursions: nobody can act on those of a minute; in the longer ones somebody must."""
    values, turns = [1.0] * 8_000, [(0, CALM)]
    for begin in range(100, 8_000, 400):
        values[begin : begin + length] = [9.0] * length
        turns += [(begin, BEYOND), (begin + length, CALM)]
    normal = seen(values, turns, portion=portion)

    assert normal.high == highest
    assert normal.samples == (8_000 if length <= 60 else 8_000 - 20 * length)
    assert normal.noise == 0


def test_values_on_both_sides_of_a_gap_are_no_neighbours():
    """A value is fresh for 3 s: one each 3 s shows the noise, one each 4 s does not."""
    for interval, known in ((3, True), (4, False)):
        record = NormalRecord(3 * SECOND)
        record.become(CALM, 0)
        for begin in range(0, 5_000, 500):
            times = [at * interval * SECOND for at in range(begin, begin + 500)]
            record.add(times, [float(at % 7) for at in range(500)])

        assert (record.found().noise is not None) is known


# --- suggestions ------------------------------------------------------------------------------------------


def excursions(lengths=(), apart=(), on=0, off=0):
    times = tuple(length * SECOND for length in lengths)
    fleeting = tuple(time for time in times if time <= MINUTE)
    gaps = tuple(gap * SECOND for gap in apart)
    return Excursions("high", on * SECOND, off * SECOND, len(times), times, fleeting, gaps)


def advice(spec, normal=None, found=(), step=None):
    tag = TagSpec("T", "plc", "°C", step=step)
    return {
        each.key: each.suggested for each in suggest(spec, tag, normal, found, 10) if not each.insufficient
    }


def noisy(sigma, count=5_000):
    dice = random.Random(2)
    return seen([100 + dice.gauss(0, sigma) for _ in range(count)])


def test_a_deadband_of_six_sigma_readable():
    """Sigma 0.35 gives 2.1, written as 2.5 (or 2, where the sample has a little less)."""
    assert advice(rule(high(170)), noisy(0.35))["deadband"] in ("2", "2.5")


TWO_VALUES = ([5.0] * 50 + [5.6] * 50) * 20


def test_a_deadband_of_two_steps():
    """A register that shows tenths and hardly moves: two of its steps."""
    assert advice(rule(high(5.6)), seen(TWO_VALUES), step=0.1)["deadband"] == "0.2"
    assert "deadband" not in advice(rule(high(5.1)), seen(TWO_VALUES), step=0.1)  # no room for two


def test_a_step_that_is_not_known_is_not_guessed():
    """How far apart two values of a signal are says nothing of its register: no noise, no suggestion."""
    assert "deadband" not in advice(rule(high(5.6)), seen(TWO_VALUES))


def test_a_deadband_stays_clear_of_the_next_limit():
    """At most a quarter of the way, rounded down."""
    assert advice(rule(high(170), high_high(174)), noisy(0.5))["deadband"] == "1"


def test_an_alarm_returns_within_normal_operation():
    """A low limit of 96.5 where 100 is usual: returning only above 100 it would stand for half the time."""
    assert advice(rule(low(96.5)), noisy(0.5))["deadband"] == "1.5"
    assert advice(rule(low(90)), noisy(0.5))["deadband"] in ("3", "4")


@pytest.mark.parametrize("normal", [seen([1.0, 2.0] * 20), None])
def test_too_little_data_gives_no_number(normal):
    """Scripts are told that it cannot be told, people are told nothing; never a guess."""
    found = suggest(rule(high(170)), TagSpec("T", "plc"), normal, [excursions([3])], 10)

    assert all(each.insufficient and not each.suggested for each in found)
    assert {each.key for each in found} == {"on_delay", *(["deadband"] if normal else [])}


def test_a_rule_that_has_what_it_needs_is_left_alone():
    """The deadband is wide enough: nothing is suggested; nor for a rule without alarms."""
    assert "deadband" not in advice(rule(high(170, 3)), noisy(0.35))
    assert suggest(rule(high(170)), TagSpec("T", "plc"), noisy(0.35), [], 0) == ()


def test_less_than_what_is_configured_is_no_suggestion():
    """A quarter of the way to the next limit would be 1; it has 1.5 already, for noise that wants 3."""
    assert "deadband" not in advice(rule(high(170, 1.5), high_high(174, 1.5)), noisy(0.5))
    assert "on_delay" not in advice(rule(high(on=15)), None, [excursions([2] * 20, on=15)])
    assert "off_delay" not in advice(rule(high(off=30)), None, [excursions([90] * 30, [12] * 20, off=30)])


def test_a_limit_within_normal_operation_is_told():
    """99.9 % reach beyond it: each swing is an alarm by construction."""
    (told,) = (
        each
        for each in suggest(rule(high(100.5, 9)), TagSpec("T", "plc"), noisy(0.35), [], 10)
        if each.key == "limit"
    )

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
        ([2] * 4, 0, None, None),
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
