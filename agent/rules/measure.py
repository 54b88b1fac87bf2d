"""Measures: what turns a tag's value into the number that is compared (design: rules).

The stages of a rule are applied in the order of its `measures`; each keeps a small frozen state.

Rules for whoever changes it: pure, instants are monotonic nanoseconds, only observed time counts.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from agent.model import Json
from agent.rules.spec import Measure

Other: TypeAlias = Callable[[str], float | None]
"""The present value of another tag; None: unknown."""


class Measured(NamedTuple):
    """Where the stages of one rule stand. Frozen: the parts that a step leaves alone are shared.

    Attributes:
        stages: the state of each stage, in the order of the rule's measures.
        value: what the last step gave; None: not known yet, or not now.
        why: why it is not known, for a person; empty if it is.
    """

    stages: tuple[object, ...]
    value: float | None = None
    why: str = ""


def begin(measures: Sequence[Measure]) -> Measured:
    """The state of measures that have seen nothing yet."""
    raise NotImplementedError


def see(measures: Sequence[Measure], state: Measured, value: float, now: int, other: Other) -> Measured:
    """Take a good value at `now`; the same value again, later, means that it is still held."""
    raise NotImplementedError


def lose(measures: Sequence[Measure], state: Measured, at: int) -> Measured:
    """Observation stopped at `at`: the value went bad or stale; it goes on with the next `see`."""
    raise NotImplementedError


def next_due(measures: Sequence[Measure], state: Measured) -> int | None:
    """When the held value must be seen again because the measure moves with time alone; None: never.

    Deterministic: asked more often, at other instants, `see` at these instants gives the same values.
    """
    raise NotImplementedError


def must_last(before: Measured, after: Measured) -> bool:
    """A rollover was counted: it must be on disk before it counts (design: rules, "Restart")."""
    raise NotImplementedError


def unit_of(measures: Sequence[Measure], unit: str) -> str:
    """The unit of the measured number, for a tag in `unit`."""
    raise NotImplementedError


def encode(measures: Sequence[Measure], state: Measured) -> Json:
    """The state as JSON."""
    raise NotImplementedError


def decode(measures: Sequence[Measure], kept: Json, shift: int) -> Measured:
    """Read what `encode` wrote, instants moved by `shift`; a stage that is of another kind now begins anew."""
    raise NotImplementedError
