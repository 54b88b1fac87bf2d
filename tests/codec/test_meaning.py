"""What a value of a payload means: its kind, its scaling, and the codes that are no values."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.codec.meaning import Meaning
from agent.codec.modbus import Linear
from agent.codec.payload import Unreadable
from agent.model import Kind


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Kind.ANY, "21.5", "21.5"),
        (Kind.ANY, 1, 1),
        (Kind.NUMBER, 21.5, 21.5),
        (Kind.NUMBER, "21.5", 21.5),
        (Kind.NUMBER, " 42 ", 42),
        (Kind.NUMBER, "9007199254740993", 9007199254740993),
        (Kind.SWITCH, True, True),
        (Kind.SWITCH, "ON", True),
        (Kind.SWITCH, "off", False),
        (Kind.SWITCH, 1, True),
        (Kind.SWITCH, 0.0, False),
        (Kind.SWITCH, "False", False),
        (Kind.TEXT, "21.5", "21.5"),
    ],
)
def test_a_value_is_taken_for_what_it_is_said_to_be(kind, raw, value):
    """A number may come in quotes, a switch as ON or 1."""
    meant = Meaning(kind).of(raw)

    assert meant == value
    assert type(meant) is type(value)


@pytest.mark.parametrize(
    ("kind", "raw", "why"),
    [
        (Kind.NUMBER, "21.5 °C", "text with more than a number in it (its unit?): publish the number alone"),
        (Kind.NUMBER, "21,5", "a number with a comma: a decimal number has a point"),
        (Kind.NUMBER, "RUN", "it is text, and a number is expected"),
        (Kind.NUMBER, "", "it is text"),
        (Kind.NUMBER, "NaN", "it is not a finite number"),
        (Kind.NUMBER, True, "it is true or false, and a number is expected"),
        (Kind.SWITCH, "FAULT", "it is text that is none of true, false, ON, OFF, 1 and 0"),
        (Kind.SWITCH, 2, "it is a number that is none of"),
        (Kind.TEXT, 5, "it is a number, and `type: text` is written"),
    ],
)
def test_what_is_something_else_is_refused_with_the_reason(kind, raw, why):
    """FAULT is not false, and 21,5 is not 215: nothing is guessed."""
    meant = Meaning(kind).of(raw)

    assert isinstance(meant, Unreadable)
    assert why in meant.why


def test_a_number_is_scaled_as_it_is_written():
    """3 times 0.1 is 0.3, which is what the display at the machine shows."""
    tenths = Meaning(Kind.NUMBER, Linear.scaled(0.1, -40))

    assert (tenths.of(3), tenths.of("715")) == (-39.7, 31.5)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (-9999, "the device says that it has no value (its code -9999)"),
        ("-9999.0", "the device says that it has no value (its code -9999)"),
        (801, "the value is outside of its valid_range [-50, 400]"),
    ],
)
def test_codes_and_impossible_values_are_no_values(raw, why):
    """Home-assistant/core#139628: a sentinel is no measurement. The code is raw, the range is engineering."""
    meant = Meaning(Kind.NUMBER, Linear.scaled(0.5, 0), frozenset({-9999.0}), (-50, 400)).of(raw)

    assert meant == Unreadable(why, said=True)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(Kind)),
    st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
)
def test_nothing_raises_and_nothing_is_infinite(kind, raw):
    """Whatever a stranger publishes, with the steepest scaling that may be written."""
    meant = Meaning(kind, Linear.scaled(1e100, -1e100)).of(raw)

    assert isinstance(meant, bool | int | float | str | Unreadable)
    assert not isinstance(meant, float) or math.isfinite(meant)
