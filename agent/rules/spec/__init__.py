"""What a rule is, once the configuration has been read: frozen, checked, in base units.

    subject -> measures -> conditions -> gate -> events (with their wording)

Rules for whoever changes this: durations are nanoseconds, percentages are resolved to engineering
units, every default is filled in; bits and `for_each` are expanded, so one spec is one instance.
Everybody imports from here, whichever part of the package has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from agent.model import Priority, Value
from agent.rules.expression import Expression
from agent.rules.message import Message
from agent.rules.spec.conditions import (
    Absence,
    Announcement,
    Awaited,
    Bit,
    Condition,
    Count,
    Limit,
    State,
    Still,
)
from agent.rules.spec.gate import OPEN, Chattering, Gate, Maintenance
from agent.rules.spec.measures import Counter, Deviation, Measure, Rate, Take, Unusual, Window

__all__ = [
    "OPEN",
    "PLAIN",
    "Absence",
    "AlarmSpec",
    "Announcement",
    "Awaited",
    "Bit",
    "ChangeSpec",
    "Chattering",
    "Condition",
    "Count",
    "Counter",
    "Deviation",
    "FloodSpec",
    "Gate",
    "Limit",
    "Maintenance",
    "Measure",
    "OnBad",
    "Rate",
    "RuleSpec",
    "State",
    "Still",
    "Take",
    "Unusual",
    "Window",
    "Wording",
]


class OnBad(StrEnum):
    """What bad quality does to an alarm: nothing by itself (the default), raise, or clear it."""

    HOLD = "hold"
    ALARM = "alarm"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Wording:
    """What the events of a rule say besides what happened, and who is told beside the subscribers.

    Attributes:
        message: None: a sentence is made.
        response: what the operator shall do.
        time_to_respond: nanoseconds.
        fields: names in the event, and the tags whose values they carry.
        codes: what a value of the tag stands for.
        send_to: destinations; if any is named, only these get the events.
    """

    message: Message | None = None
    response: str = ""
    time_to_respond: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[Value, str] = field(default_factory=dict)
    send_to: tuple[str, ...] = ()


PLAIN: Final = Wording()
"""Of a rule that says nothing of its own."""


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """A rule that raises and returns.

    Attributes:
        name: of the instance: the rule's id in the file, `MCC3-faults/overload`, `pumps-bearing/P101`.
        subject: the tag's or the source's name; of a calculation, empty.
        digest: changes when anything that decides about alarms changes.
        of_source: the subject is a source (its connection), not a tag.
        on_bad: what a value that cannot be read does.
        stale_after: the rule's own freshness, nanoseconds; None: the tag's.
        rule: the rule's id in the file where that is not the name.
        was: names it had before.
        calc: what is watched instead of a tag.
        latch: stays open after its return until a person resets it.
        acknowledge: stays open after its return until a person acknowledged it.
        remind_every: nanoseconds between two reminders while active; None: none.
    """

    name: str
    subject: str
    conditions: tuple[Condition, ...]
    digest: str
    of_source: bool = False
    on_bad: OnBad = OnBad.HOLD
    stale_after: int | None = None
    rule: str = ""
    was: tuple[str, ...] = ()
    calc: Expression | None = None
    measures: tuple[Measure, ...] = ()
    gate: Gate = OPEN
    wording: Wording = PLAIN
    latch: bool = False
    acknowledge: bool = False
    remind_every: int | None = None
    chattering: Chattering | None = None

    @property
    def rule_id(self) -> str:
        """The rule's id in the file, whether this is one of its instances or all of it."""
        return self.rule or self.name


@dataclass(frozen=True, slots=True)
class ChangeSpec:
    """A rule that reports by exception: `deadband` against the last value REPORTED.

    Attributes:
        at_most_every: nanoseconds between two reports at the least; what comes sooner waits.
        at_least_every: nanoseconds after which a fresh value is reported although it did not move.
        name, subject, digest, stale_after, rule, was, calc, measures, gate, wording: as in AlarmSpec.
    """

    name: str
    subject: str
    digest: str
    priority: Priority
    deadband: float = 0.0
    at_most_every: int = 0
    at_least_every: int | None = None
    stale_after: int | None = None
    rule: str = ""
    was: tuple[str, ...] = ()
    calc: Expression | None = None
    measures: tuple[Measure, ...] = ()
    gate: Gate = OPEN
    wording: Wording = PLAIN

    @property
    def rule_id(self) -> str:
        """The rule's id in the file, whether this is one of its instances or all of it."""
        return self.rule or self.name


RuleSpec: TypeAlias = AlarmSpec | ChangeSpec


@dataclass(frozen=True, slots=True)
class FloodSpec:
    """When so many alarms come that nobody reads them: they are held back and told in digests.

    Attributes:
        more_than, within: a flood begins with more than so many raised alarms in so many nanoseconds.
        until, until_within: it ends when there are fewer than so many in so many nanoseconds.
        digest_every: nanoseconds.
        always: priorities that are never held back.
    """

    more_than: int
    within: int
    until: int
    until_within: int
    digest_every: int
    always: frozenset[Priority] = frozenset({Priority.CRITICAL})
