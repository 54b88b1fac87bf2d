"""The plant's script keeps its promise: whoever starts to watch soon sees an alarm and its return."""

import itertools

import pytest
import yaml

from agent.demo.configuration import RULES_YAML
from agent.demo.signals import Signals, signals_at

RULES = yaml.safe_load(RULES_YAML)["rules"]
STEP = 0.25


def seen_from(start, duration):
    return [signals_at(start + STEP * n) for n in range(int(duration / STEP))]


@pytest.mark.parametrize(
    ("rule", "signal", "deadband"),
    [
        ("R1-temperature", "temperature", 2.5),
        ("boiler-steam", "steam", 0.5),
        ("compressor-current", "current", 3.0),
    ],
)
@pytest.mark.parametrize("start", [0.0, 0.7, 3.1, 61.9, 86_400.3])
def test_each_limit_is_crossed_and_left_again_within_seven_seconds_of_any_moment(
    rule, signal, deadband, start
):
    """Raised at the latest 7 s after the first look, by a crossing that stays for a second; and returned after it."""
    high = RULES[rule]["high"]
    values = [getattr(signals, signal) for signals in seen_from(start, 14)]
    longest = max(
        len(list(run)) for over, run in itertools.groupby(value >= high for value in values) if over
    )

    assert max(values[:28]) >= high
    assert longest * STEP >= 1.0
    assert min(values) < high - deadband


def test_every_fourth_cycle_of_the_reactor_is_critical():
    """One of four temperature peaks passes 185."""
    peaks = [max(signals.temperature for signals in seen_from(6.0 * cycle, 6)) for cycle in range(8)]

    assert [peak > RULES["R1-temperature"]["high_high"]["at"] for peak in peaks] == [
        False,
        False,
        False,
        True,
    ] * 2


def test_signals_stay_within_what_their_registers_can_hold():
    """No value leaves the range that sources.yaml declares."""
    ranges = {
        "temperature": (0, 250),
        "pressure": (0, 10),
        "level": (0, 100),
        "steam": (0, 16),
        "current": (0, 60),
    }
    for signals in seen_from(0, 240):
        for name, (low, high) in ranges.items():
            assert low <= getattr(signals, name) <= high


def test_the_same_second_is_the_same_plant():
    """Deterministic: a test can tell when an alarm is due."""
    assert (
        signals_at(3.0)
        == signals_at(3.0)
        == Signals(174.0, 1.6, True, signals_at(3.0).level, signals_at(3.0).steam, signals_at(3.0).current)
    )
