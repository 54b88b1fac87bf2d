"""Whether a condition is true at this moment, for somebody who is about to write to a machine."""

import pytest
from rigs.rules import high, reading, rule

from agent.model import SECOND, TagSpec
from agent.rules.engine import Engine
from agent.rules.expression import Expression


def plant(*seen):
    """T has an alarm above 170; U is watched for a condition, V by nobody; all are stale after 10 s."""
    tags = [TagSpec(name, "plc", stale_after=10 * SECOND) for name in "TUV"]
    engine = Engine([rule(high())], tags, ["plc"], mint=str, started=0, watched=["U", "GONE"])
    engine.take(seen)
    return engine


@pytest.mark.parametrize(
    ("condition", "at", "holds", "unknown"),
    [
        ("U > 5", 2, True, ""),
        ("U > 7", 2, False, ""),
        ("U > 5", 11.5, None, "U is unknown: stale"),
        ("V > 5", 2, None, "V is unknown: not read yet"),
        ("V > 5 or U > 5", 2, True, ""),
        ("V > 5 and U > 5", 2, None, "V is unknown: not read yet"),
        ('not active("R")', 2, False, ""),
        ('active("R")', 2, True, ""),
        ('age("U") < 3', 2, True, ""),
        ('age("U") < 3', 5, False, ""),
        ("GONE > 1", 2, None, "there is no GONE"),
        ('not active("LEFT")', 2, None, "there is no LEFT"),
        ("U + 1 > TEXT", 2, None, "there is no TEXT"),
    ],
)
def test_a_condition_is_judged_by_what_is_fresh_at_that_instant(condition, at, holds, unknown):
    """Though nothing was read since; what is unknown is said."""
    engine = plant(reading(1, 180, "T"), reading(1, 6, "U"), reading(1, 6, "V"))

    assert engine.holding(Expression.parse(condition), round(at * SECOND)) == (holds, unknown)


def test_an_alarm_that_nobody_can_tell_is_unknown():
    """Before the first value of its tag."""
    holds, unknown = plant().holding(Expression.parse('not active("R")'), SECOND)

    assert holds is None
    assert unknown == "whether R is active is unknown"


def test_a_text_in_arithmetic_is_no_yes():
    """It is said instead of raised."""
    engine = plant(reading(1, "on", "U"))

    holds, unknown = engine.holding(Expression.parse("U + 1 > 0"), 2 * SECOND)

    assert holds is None
    assert "U" in unknown or "text" in unknown


def test_to_look_changes_nothing():
    """It is no step: nothing is due, and nothing tentative."""
    engine = plant(reading(1, 6, "U"))
    due = engine.due

    engine.holding(Expression.parse("U > 5"), 100 * SECOND)

    assert engine.due == due
    assert not engine.tentative
