"""What goes into the store and what comes out of it.

Rules: values only. Wall-clock stamps are integer nanoseconds UTC and are named `..._wall`; all
other instants are monotonic nanoseconds of the boot named beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from agent.model import Event, Priority
from agent.stamps import Reckoning, Standing
from agent.store.alive import Moment
from agent.store.messages import InboxChange

URGENT: Final = Priority.HIGH
"""What is at least as loud goes first after an outage (design: delivery, `lanes`)."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """An event and the destinations that asked for it (names; may be none)."""

    event: Event
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What one emitted batch changed; committed whole or not at all.

    `states` maps a key (`rule/INSTANCE`, `tag/NAME`) to its serialised state; None deletes it. `inbox` is
    what changes of messages that came in, and of the audit.
    """

    events: Sequence[Addressed] = ()
    states: Mapping[str, bytes | None] = field(default_factory=dict)
    inbox: Sequence[InboxChange] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """An event on disk.

    Attributes:
        seq: contiguous within the store's epoch, from 1.
        event: the event; its instants belong to `boot`.
        boot: id of the boot in which it was made.
        offset: wall clock minus monotonic clock when it was stored, nanoseconds:
            `instant + offset` is its UTC stamp.
        standing: how far that clock was believed then.
    """

    seq: int
    event: Event
    boot: str
    offset: int
    standing: Standing = Standing.TRUSTED

    @property
    def reckoning(self) -> Reckoning:
        """What stamps it, as known when it was stored."""
        return Reckoning(self.offset, self.standing)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one destination; pending until an outcome is committed.

    Attributes:
        destination: its name.
        stored: the event.
        previous: the `seq` before it that was addressed to this destination; None for the first.
        charged: attempts that counted against the event's own schedule so far.
        due_wall: not before this, by the event's own schedule; 0: at once.
        resent: it waits out of its order, `late: true`: a person had it sent again, or it fell back from
            another destination.
    """

    destination: str
    stored: Stored
    previous: int | None
    charged: int = 0
    due_wall: int = 0
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One charged attempt, kept with its delivery.

    Attributes:
        at_wall: when it began.
        status: HTTP status; None when there was no answer.
        latency: seconds.
        text: the first 2 kB of the answer, or why there was none.
    """

    at_wall: int
    status: int | None
    latency: float
    text: str


@dataclass(frozen=True, slots=True)
class MarkDelivered:
    """The receiver has it."""

    destination: str
    seq: int
    at_wall: int


@dataclass(frozen=True, slots=True)
class MarkCharged:
    """An attempt counted; the event waits until `due_wall`."""

    destination: str
    seq: int
    attempt: Attempt
    due_wall: int


@dataclass(frozen=True, slots=True)
class MarkDead:
    """It will not be tried again unless a person says so; `reason` is what that person reads."""

    destination: str
    seq: int
    at_wall: int
    reason: str
    attempt: Attempt | None = None


End: TypeAlias = MarkDelivered | MarkDead
Mark: TypeAlias = End | MarkCharged


class Part(StrEnum):
    """Which of a destination's waiting deliveries are asked for."""

    ALL = "all"
    URGENT = "urgent"
    SUBJECT = "subject"


class DeliveryState(IntEnum):
    """Where a delivery stands; the numbers are on disk and never change their meaning."""

    PENDING = 0
    DELIVERED = 1
    DEAD = 2
    DROPPED = 3

    @property
    def word(self) -> str:
        """The word of the command line and of the API."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How far an event is with one destination, for people.

    Attributes:
        destination: its name.
        state: where it stands.
        previous: the `seq` before it that was addressed to this destination.
        charged: attempts that counted against its schedule since it was made or resent.
        settled_wall: when its outcome was known; None while pending.
        reason: why it is dead or was dropped.
        resent: it was sent again out of its order: by a person, or as another destination's fallback.
    """

    destination: str
    state: DeliveryState
    previous: int | None
    charged: int
    settled_wall: int | None
    reason: str
    resent: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """An event as it is listed; `stored` is None when its row is damaged.

    Attributes:
        attempts: by destination, the last ten charged ones, oldest first; only where one event is asked for.
    """

    seq: int
    stored: Stored | None
    deliveries: tuple[DeliveryStatus, ...]
    attempts: Mapping[str, Sequence[Attempt]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that ended without a 2xx, until a person resends or drops it.

    Attributes:
        seq: the event's.
        status: destination, reason, when it died.
        stored: the event; None when its row is damaged (such a letter cannot be resent).
        attempts: the last ten charged attempts, oldest first; only where one letter is asked for.
    """

    seq: int
    status: DeliveryStatus
    stored: Stored | None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters: AND between the fields, None means any.

    Attributes:
        destination: its name.
        seq: one event.
        event_id: one event, by its id.
        rule: the rule it came from; `*` and `?` as in subscriptions.
        reason: the reason of its death, by its beginning, or by a pattern with `*` and `?`.
        since_wall: events that happened at or after this.
        until_wall: events that happened before this.
    """

    destination: str | None = None
    seq: int | None = None
    event_id: str | None = None
    rule: str | None = None
    reason: str | None = None
    since_wall: int | None = None
    until_wall: int | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: AND between the fields, None means any.

    Attributes:
        since_wall: happened at or after this.
        type: the type's beginning, `alarm.`.
        rule: the rule it came from.
        state: a delivery of it stands there.
        after: of a greater number; then those that follow it are read, and not the newest.
    """

    since_wall: int | None = None
    type: str | None = None
    rule: str | None = None
    state: DeliveryState | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    """What of a destination's health must survive a restart.

    Attributes:
        disabled: why it is disabled until a person enables it; None: it is not.
        failing_since_wall: since when it has been failing; None: it is not.
        paused: why a person has paused it; None: nobody has.
        paused_at_wall: when that was.
        paused_for: for how long, nanoseconds; None: until a person resumes it.
    """

    disabled: str | None = None
    failing_since_wall: int | None = None
    paused: str | None = None
    paused_at_wall: int | None = None
    paused_for: int | None = None


@dataclass(frozen=True, slots=True)
class Oldest:
    """The event that has waited longest for a destination."""

    seq: int
    at: Moment
