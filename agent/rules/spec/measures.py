"""What a measure is: what turns the tag into the number that is compared.

Rules for whoever changes this: a new measure is one class here, and one module in `agent.rules.measures`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Take(StrEnum):
    """What a window takes of the values in it."""

    AVERAGE = "average"
    MIN = "min"
    MAX = "max"
    MEDIAN = "median"
    STDEV = "stdev"


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter that starts again: `rollover_at` counts after 0; None: each decrease is a reset to 0."""

    rollover_at: float | None


@dataclass(frozen=True, slots=True)
class Window:
    """What the last `over` nanoseconds were, weighted by observed time."""

    over: int
    take: Take


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far the value is above another tag."""

    tag: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The change over the last `over` nanoseconds, as a change per `per` nanoseconds."""

    per: int
    over: int


@dataclass(frozen=True, slots=True)
class Unusual:
    """The robust z-score against the last `learn` nanoseconds; `at_least` is the least spread assumed."""

    learn: int
    at_least: float = 0.0


Measure: TypeAlias = Counter | Window | Deviation | Rate | Unusual
"""Applied in this order; a rule has each at most once."""
