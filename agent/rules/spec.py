"""What a rule is, once the configuration has been read: frozen, checked, in base units.

    subject -> measures -> conditions -> gate -> events (with their wording)

Rules for whoever changes this: durations are nanoseconds, percentages are resolved to engineering
units, every default is filled in; bits and `for_each` are expanded, so one spec is one instance. A
new condition is one class here, one branch where `zone` or `alarm` tells conditions apart, and its test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from agent.model import Priority, Value
from agent.rules.expression import Expression
from agent.rules.hours import Hours, Span
from agent.rules.message import Message


class OnBad(StrEnum):
    """What bad quality does to an alarm: nothing by itself (the default), raise, or clear it."""

    HOLD = "hold"
    ALARM = "alarm"
    CLEAR = "clear"


# --- measures: what turns the tag into the number that is compared ----------------------------------


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


# --- conditions: what is compared ---------------------------------------------------------------------


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


# --- the gate: when the condition makes sense, and when it is redundant -------------------------------


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A span in which the rule's alarms are expected."""

    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class Gate:
    """When a rule is watched, and when it is watched but not announced.

    Attributes:
        when: false: the condition makes no sense, the machine is reset; unknown: holds what was.
        settle: nanoseconds after `when` became true before the value is looked at.
        suppress_while: true: real but redundant; it goes on being computed.
        hours: outside of them as `when` false.
        maintenance: within one as `suppress_while` true.
        trial_until: nanoseconds UTC; before that nothing is sent.
    """

    when: Expression | None = None
    settle: int = 0
    suppress_while: Expression | None = None
    hours: Hours | None = None
    maintenance: tuple[Maintenance, ...] = ()
    trial_until: int | None = None


OPEN: Final = Gate()
"""Of a rule that is always watched and always announced."""


@dataclass(frozen=True, slots=True)
class Chattering:
    """`raises` within `within` are too many; then a return must last `quiet` nanoseconds."""

    raises: int
    within: int
    quiet: int


# --- wording: what decides nothing ----------------------------------------------------------------------


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


# --- rules ------------------------------------------------------------------------------------------------


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
