"""The words that the whole house speaks: what is seen, what happened, what an attempt brought.

Rules for whoever changes this file: frozen values only, no behaviour beyond reading them, nothing
imported but the standard library. An instant is integer nanoseconds on the monotonic clock
(`at`, `received`, `onset`); only `source_time` is a wall-clock stamp, because the device made it.
The store turns instants into UTC stamps (design: rules, "Time").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, TypeAlias

Value: TypeAlias = bool | int | float | str
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000


class Quality(StrEnum):
    """How far a value may be believed. Staleness is not a quality: it is time passing."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Kind(StrEnum):
    """What kind of value a tag has, as far as its source's configuration tells."""

    ANY = "any"
    NUMBER = "number"
    WHOLE = "whole number"
    SWITCH = "true or false"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class TagSpec:
    """What is known of a tag before it is read.

    Attributes:
        name, source: unique in the agent, and the source that reads it.
        unit: engineering unit, empty if none.
        range: engineering range (low, high); what percentages are of.
        stale_after: nanoseconds from receipt for which a value counts as fresh; None: for as long
            as the source's connection is up (OPC UA with its keep-alives, MQTT).
        timed: the payload carries the tag's own time; a reading not newer than the last is dropped,
            so a redelivered message repeats nothing.
        kind: what kind of value it has.
        step, reach: the smallest change and (least, greatest) that the register can show; None: not known.
        every: nanoseconds between two readings at the longest; None: the device decides.
    """

    name: str
    source: str
    unit: str = ""
    range: tuple[float, float] | None = None
    stale_after: int | None = None
    timed: bool = False
    kind: Kind = Kind.ANY
    step: float | None = None
    reach: tuple[float, float] | None = None
    every: int | None = None


class Reading(NamedTuple):
    """One observation of one tag (a named tuple: there are thousands a second).

    Attributes:
        tag: its name.
        value: what was read; None when nothing was (never a sentinel, never the last value again).
        quality: GOOD, UNCERTAIN or BAD.
        received: monotonic nanoseconds of receipt by the agent.
        reason: why the quality is not good, with the remedy, as a person is to read it.
        source_time: the device's own stamp, nanoseconds UTC; never used for freshness.
        baseline: the first value after a connect, or a retained message: a start, not a change.
        late: history that arrived in a burst (design: sources); set by the intake, not by a source.
    """

    tag: str
    value: Value | None
    quality: Quality
    received: int
    reason: str = ""
    source_time: int | None = None
    baseline: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A source's connection came up or went down. Down: all its tags are bad, for this reason."""

    source: str
    up: bool
    at: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alive:
    """A source's subscription proved itself (an OPC UA keep-alive): unchanged values are still seen."""

    source: str
    at: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. Changes nothing but what was due."""

    at: int


@dataclass(frozen=True, slots=True)
class WallClock:
    """What the wall clock says: `offset` is what makes a UTC stamp of an instant.

    None while the clock is not to be believed: schedules then hold what was.
    """

    at: int
    offset: int | None


class Action(StrEnum):
    """What an operator may do to an alarm."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    RESET = "reset"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"


@dataclass(frozen=True, slots=True)
class Command:
    """The operator's hand on one rule instance.

    Attributes:
        rule: the instance.
        action: what is done.
        at: monotonic nanoseconds.
        by, reason: who did it, and why; a shelf and out of service have a reason.
        until: of a shelf: when it ends, monotonic nanoseconds.
        one_shot: of a shelf: it ends with the next return as well.
    """

    rule: str
    action: Action
    at: int
    by: str
    reason: str = ""
    until: int | None = None
    one_shot: bool = False


Seen: TypeAlias = Reading | Link | Alive | Tick | WallClock | Command


class Priority(IntEnum):
    """How loud an event is; the number is the OPC UA severity it maps to (design: rules)."""

    CRITICAL = 900
    HIGH = 700
    MEDIUM = 500
    LOW = 300
    JOURNAL = 100

    @property
    def word(self) -> str:
        """The word of the configuration and of the payload."""
        return self.name.lower()


class EventType(StrEnum):
    """What can happen (design: delivery, "What is sent"); later issues add theirs."""

    ALARM_RAISED = "alarm.raised"
    ALARM_ESCALATED = "alarm.escalated"
    ALARM_DEESCALATED = "alarm.deescalated"
    ALARM_RETURNED = "alarm.returned"
    ALARM_CHANGED = "alarm.changed"
    ALARM_REMINDER = "alarm.reminder"
    ALARM_ACKNOWLEDGED = "alarm.acknowledged"
    ALARM_RESET = "alarm.reset"
    ALARM_SHELVED = "alarm.shelved"
    ALARM_UNSHELVED = "alarm.unshelved"
    ALARM_SUPPRESSED = "alarm.suppressed"
    ALARM_UNSUPPRESSED = "alarm.unsuppressed"
    ALARM_CHATTERING = "alarm.chattering"
    ALARM_OUT_OF_SERVICE = "alarm.out_of_service"
    ALARM_IN_SERVICE = "alarm.in_service"
    TAG_CHANGED = "tag.changed"
    EVENT_OCCURRED = "event.occurred"
    RULE_UNKNOWN = "rule.unknown"
    RULE_TRIAL = "rule.trial"
    SOURCE_CLOCK_SKEW = "source.clock_skew"
    AGENT_STARTED = "agent.started"
    AGENT_STOPPING = "agent.stopping"
    AGENT_BLIND = "agent.blind"
    AGENT_CONFIG_RELOADED = "agent.config_reloaded"
    AGENT_CONFIG_REJECTED = "agent.config_rejected"
    AGENT_FLOOD = "agent.flood"
    AGENT_TEST = "agent.test"
    AGENT_STATE_LOST = "agent.state_lost"
    AGENT_HEARTBEAT = "agent.heartbeat"
    DELIVERY_FAILING = "delivery.failing"
    DELIVERY_RECOVERED = "delivery.recovered"
    DELIVERY_DEAD = "delivery.dead"
    DELIVERY_DISABLED = "delivery.disabled"
    STORE_FILLING = "store.filling"
    STORE_OVERFLOW = "store.overflow"
    INBOUND_DONE = "inbound.done"
    INBOUND_REJECTED = "inbound.rejected"
    INBOUND_FAILED = "inbound.failed"
    INBOUND_MESSAGE = "inbound.message"  # a message itself, on its way to the service of its route alone


@dataclass(frozen=True, slots=True)
class Event:
    """Something that receivers are told.

    Attributes:
        id: `evt_` and a UUIDv7; the same at every destination and on every attempt.
        type: what happened.
        at: monotonic nanoseconds of the instant at which it happened (not of the next sample).
        subject: what order is kept within: the rule instance, `destination:NAME` or `agent`.
        priority: how loud.
        data: fields with a meaning for this event, as JSON; unknown is None, meaningless is absent.
        instants: further instants by field name (`onset`, `blind.from`), monotonic nanoseconds;
            rendered as UTC stamps beside `data`.
        tag, rule: what it is about and comes from, empty if none; what subscriptions match.
        audience: priorities at which the same occurrence was announced before: whoever got its
            `raised` also gets what follows, whatever the priority of this event.
        send_to: the destinations that get it instead of the subscribers; empty: the subscribers.
    """

    id: str
    type: EventType
    at: int
    subject: str
    priority: Priority
    data: Mapping[str, Json] = field(default_factory=dict)
    instants: Mapping[str, int] = field(default_factory=dict)
    tag: str = ""
    rule: str = ""
    audience: tuple[Priority, ...] = ()
    send_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The receiver answered.

    Attributes:
        status: HTTP status; of a receiver that speaks something else, the one that means the same.
        headers: found by their lower-case names.
        latency: seconds from the first byte sent to the end of what was read.
        excerpt: the first 2 kB of the body, as text.
        said: the answer in the receiver's own words, with the remedy, for a person; empty: it speaks
            HTTP, and the status says it.
    """

    status: int
    headers: Mapping[str, str]
    latency: float
    excerpt: str = ""
    said: str = ""


class Blocked(StrEnum):
    """What failed before the receiver was reached: never charged to an event."""

    WEATHER = "weather"  # a proxy or a token endpoint is down
    CONFIGURATION = "configuration"  # a person has to mend it


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer came; `why` says at which step (DNS, connect, TLS, timeout), for a person, no secrets.

    `unsent`: nothing of the message has left. `blocked`: what beside the receiver failed, if that did.
    """

    why: str
    latency: float = 0.0
    unsent: bool = False
    blocked: Blocked | None = None


Outcome: TypeAlias = Answer | NoAnswer


def bad(tag: str, received: int, reason: str) -> Reading:
    """The reading of a tag that could not be read."""
    return Reading(tag, None, Quality.BAD, received, reason)
