"""Where a value stands relative to a limit, or to a set of states."""

from typing import assert_never

from agent.model import Value
from agent.rules.machine import Zone
from agent.rules.spec import Bit, Limit, State


def zone(condition: Limit | State | Bit, value: Value | None, at: float) -> Zone:
    """Where `value` stands; the deadband never moves the trip point (design: rules, "The limit machine").

    Args:
        condition: what is compared.
        value: what was seen.
        at: where the limit is now (it may be read from the plant); of other conditions meaningless.

    Raises:
        TypeError: a text where a number is compared.
    """
    match condition:
        case Limit(side=side, deadband=deadband):
            if not isinstance(value, int | float):
                raise TypeError(f"is {value!r}, and a limit compares numbers")
            if value >= at if side > 0 else value <= at:
                return Zone.IN
            inside = value >= at - deadband if side > 0 else value <= at + deadband
            return Zone.BAND if inside else Zone.OUT
        case State(values=values, negated=negated):
            return Zone.IN if (value in values) != negated else Zone.OUT
        case Bit(number=number):
            return Zone.IN if _word(value) >> number & 1 else Zone.OUT
        case _:
            assert_never(condition)


def _word(value: Value | None) -> int:
    """A word of bits; a float without a fraction is one, because JSON and some PLCs know no others."""
    fraction = isinstance(value, float) and not value.is_integer()
    if isinstance(value, bool) or not isinstance(value, int | float) or fraction:
        raise TypeError(f"is {value!r}, and bits are those of a whole number")
    return int(value)
