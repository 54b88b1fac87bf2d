"""What a condition is: what is compared, and how it speaks.

Rules for whoever changes this: a new condition is one class here, one branch where `zone` or `alarm` tells
conditions apart, and its test.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from agent.model import Priority, Value
from agent.rules.message import Message


class Awaited(StrEnum):
    """What an absence is the absence of."""

    SAMPLE = "sample"
    CONNECTION = "connection"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class Count:
    """m of n: true once the condition came `times` times within `within`, or stayed for all of `within`."""

    times: int
    within: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """How a condition speaks, and how long it waits before it does.

    Attributes:
        name: the key of the configuration: high_high, is, sample; the level that people see.
        rank: severity among the limits of one rule; the highest active one is the rule's level.
        on_delay, off_delay: nanoseconds of observed time.
        count: m of n, instead of an on-delay.
    """

    name: str
    rank: int
    on_delay: int
    off_delay: int
    priority: Priority
    message: Message | None = None
    count: Count | None = None

    @property
    def wait(self) -> int:
        """For how long the condition must last before it is raised, whatever else may raise it sooner."""
        return self.on_delay if self.count is None else self.count.within


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold: `side` is +1 for a high limit, -1 for a low one; the deadband never moves `at`.

    `at` is a number, or the name of the tag whose value is the limit.
    """

    say: Announcement
    side: int
    at: float | str
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """A discrete state: the value is one of `values` (`is`), or is none of them (`is_not`)."""

    say: Announcement
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Bit:
    """Bit `number` of a word is set; 0 is the least significant."""

    say: Announcement
    number: int


@dataclass(frozen=True, slots=True)
class Still:
    """The value has not moved by `by` since it last did, for the on-delay; `rising`: only upwards counts."""

    say: Announcement
    by: float
    rising: bool = False


@dataclass(frozen=True, slots=True)
class Absence:
    """Something that should be there is not, for `within` nanoseconds."""

    say: Announcement
    awaited: Awaited
    within: int


Condition: TypeAlias = Limit | State | Bit | Still | Absence
