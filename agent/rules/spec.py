"""What a rule is, once the configuration has been read: frozen, checked, in base units.

Rules for whoever changes this: durations are nanoseconds, percentages are resolved to engineering
units, every default is filled in. A new condition is one class here, one branch where `zone` or
`watch` tells conditions apart, and its test.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from agent.model import Priority, Value
from agent.rules.message import Message


class OnBad(StrEnum):
    """What bad quality does to an alarm: nothing by itself (the default), raise, or clear it."""

    HOLD = "hold"
    ALARM = "alarm"
    CLEAR = "clear"


class Awaited(StrEnum):
    """What an absence is the absence of."""

    SAMPLE = "sample"
    CONNECTION = "connection"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class Announcement:
    """How a condition speaks, and how long it waits before it does.

    Attributes:
        name: the key of the configuration: high_high, is, sample; the level that people see.
        rank: severity among the limits of one rule; the highest active one is the rule's level.
        on_delay, off_delay: nanoseconds of observed time.
    """

    name: str
    rank: int
    on_delay: int
    off_delay: int
    priority: Priority
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold: `side` is +1 for a high limit, -1 for a low one; the deadband never moves `at`."""

    say: Announcement
    side: int
    at: float
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """A discrete state: the value is one of `values` (`is`), or is none of them (`is_not`)."""

    say: Announcement
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Absence:
    """Something that should be there is not, for `within` nanoseconds."""

    say: Announcement
    awaited: Awaited
    within: int


Condition: TypeAlias = Limit | State | Absence


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """A rule that raises and returns.

    Attributes:
        name: the rule's id in the file.
        subject: the tag's or the source's name.
        of_source: the subject is a source (its connection), not a tag.
        stale_after: the rule's own freshness, nanoseconds; None: the tag's.
        digest: changes when anything that decides about alarms changes.
    """

    name: str
    subject: str
    conditions: tuple[Condition, ...]
    digest: str
    of_source: bool = False
    on_bad: OnBad = OnBad.HOLD
    stale_after: int | None = None
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class ChangeSpec:
    """A rule that reports by exception: `deadband` against the last value REPORTED.

    Attributes:
        at_most_every: nanoseconds between two reports at the least; what comes sooner waits.
        at_least_every: nanoseconds after which a fresh value is reported although it did not move.
    """

    name: str
    subject: str
    digest: str
    priority: Priority
    deadband: float = 0.0
    at_most_every: int = 0
    at_least_every: int | None = None
    stale_after: int | None = None
    message: Message | None = None


RuleSpec: TypeAlias = AlarmSpec | ChangeSpec
