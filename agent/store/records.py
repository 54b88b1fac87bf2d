"""What goes into the store and what comes out of it.

Rules: values only. Wall-clock stamps are integer nanoseconds UTC and are named `..._wall`; all
other instants are monotonic nanoseconds of the boot named beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from agent.model import Event


@dataclass(frozen=True, slots=True)
class Addressed:
    """An event and the destinations that asked for it (names; may be none)."""

    event: Event
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What one emitted batch changed; committed whole or not at all.

    `states` maps a key (`rule/INSTANCE`, `tag/NAME`) to its serialised state; None deletes it.
    """

    events: Sequence[Addressed] = ()
    states: Mapping[str, bytes | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """An event on disk.

    Attributes:
        seq: contiguous within the store's epoch, from 1.
        event: the event; its instants belong to `boot`.
        boot: id of the boot in which it was made.
        offset: wall clock minus monotonic clock when it was stored, nanoseconds:
            `instant + offset` is its UTC stamp.
    """

    seq: int
    event: Event
    boot: str
    offset: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one destination; pending until an outcome is committed.

    Attributes:
        destination: its name.
        stored: the event.
        previous: the `seq` before it that was addressed to this destination; None for the first.
        charged: attempts that counted against the event's own schedule so far.
        due_wall: not before this, by the event's own schedule; 0: at once.
        resent: a person sent this dead letter again: it is out of order, `late: true`.
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


Mark: TypeAlias = MarkDelivered | MarkCharged | MarkDead
