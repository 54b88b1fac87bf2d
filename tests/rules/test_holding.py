"""Whether a condition is true at this moment, for somebody who is about to write to a machine."""

import pytest
from rigs.rules import high, reading, rule, say

from agent.model import SECOND, Quality, TagSpec, Tick
from agent.rules.engine import Engine
from agent.rules.expression import Expression
from agent.rules.spec import Absence, Awaited, Gate


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
    assert unknown == "whether R is active is unknown: not read yet"


@pytest.mark.parametrize("condition", ['not active("R")', 'active("R")', 'U > 5 and not active("R")'])
@pytest.mark.parametrize(
    ("value", "later", "at", "why"),
    [
        (100, None, 11.5, "whether R is active is unknown"),
        (100, "bad", 3, "whether R is active is unknown"),
        (180, "bad", 3, "whether R is active is unknown"),
        (180, "on", 3, "whether R is active is unknown"),
    ],
)
def test_an_alarm_whose_tag_is_not_known_is_unknown(condition, value, later, at, why):
    """It holds what it was, for whoever is told of it; a machine is not moved for that, be it yes or no."""
    engine = plant(reading(1, value, "T"), reading(1, 6, "U"))
    if later is not None:
        engine.take([reading(2, later, "T"), reading(2, 6, "U")])
    else:
        engine.take([reading(10, 6, "U")])

    holds, unknown = engine.holding(Expression.parse(condition), round(at * SECOND))

    assert holds is None
    assert unknown.startswith(why)


def gated(*seen):
    """R is watched while U is above 5."""
    tags = [TagSpec(name, "plc", stale_after=10 * SECOND) for name in "TU"]
    gate = Gate(when=Expression.parse("U > 5"))
    engine = Engine([rule(high(), gate=gate)], tags, ["plc"], mint=str, started=0)
    engine.take(seen)
    return engine


@pytest.mark.parametrize(
    ("u", "at", "holds"), [(6, 2, True), (6, 11.5, None), (1, 2, True), (1, 11.5, None), ("bad", 2, None)]
)
def test_an_alarm_of_which_nobody_knows_whether_it_is_watched_is_unknown(u, at, holds):
    """One that makes no sense now is not active, as everywhere."""
    engine = gated(reading(1, 100, "T"), reading(1, u, "U"))
    if at > 10:
        engine.take([reading(at, 100, "T")])

    assert engine.holding(Expression.parse('not active("R")'), round(at * SECOND))[0] is holds


@pytest.mark.parametrize(("t", "u", "holds"), [("bad", 1, True), ("bad", 6, None), (100, "on", None)])
def test_an_alarm_that_makes_no_sense_now_needs_no_value(t, u, holds):
    """It is not active, as everywhere; where its own `when` makes none, nobody knows."""
    engine = gated(reading(1, u, "U"), reading(1, t, "T"))

    assert engine.holding(Expression.parse('not active("R")'), 2 * SECOND)[0] is holds


def test_that_something_is_absent_needs_no_value():
    """An alarm of a source that is down is known while it is."""
    tags = [TagSpec("T", "plc", stale_after=10 * SECOND)]
    lost = Absence(say("lost"), Awaited.QUALITY, 5 * SECOND)
    engine = Engine([rule(lost)], tags, ["plc"], mint=str, started=0)
    engine.take([reading(1, 100, "T")])
    engine.take([reading(2, "bad", "T")])

    assert engine.holding(Expression.parse('not active("R")'), 3 * SECOND)[0] is True
    engine.take([Tick(8 * SECOND)])
    assert engine.holding(Expression.parse('active("R")'), 8 * SECOND)[0] is True


@pytest.mark.parametrize("condition", ["T > 5", 'not active("R")'])
def test_what_is_uncertain_is_unknown(condition):
    """A server says so of the last value of a device that it has lost."""
    last = reading(1, 100, "T", quality=Quality.UNCERTAIN, reason="UncertainLastUsableValue")

    holds, unknown = plant(last).holding(Expression.parse(condition), 2 * SECOND)

    assert holds is None
    assert unknown.endswith("UncertainLastUsableValue")


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
