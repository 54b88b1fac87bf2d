"""Where a value stands relative to a limit, or to a set of states."""

from typing import assert_never

from agent.model import Value
from agent.rules.machine import Zone
from agent.rules.spec import Limit, State


def zone(condition: Limit | State, value: Value | None) -> Zone:
    """Where `value` stands; the deadband never moves the trip point (design: rules, "The limit machine").

    Raises:
        TypeError: a text where a number is compared.
    """
    match condition:
        case Limit(side=side, at=at, deadband=deadband):
            if not isinstance(value, int | float):
                raise TypeError
            if value >= at if side > 0 else value <= at:
                return Zone.IN
            inside = value >= at - deadband if side > 0 else value <= at + deadband
            return Zone.BAND if inside else Zone.OUT
        case State(values=values, negated=negated):
            return Zone.IN if (value in values) != negated else Zone.OUT
        case _:
            assert_never(condition)
