"""What is kept of messages that came in, and of what was done by them.

Rules: values only. Wall-clock stamps are integer nanoseconds UTC and are named `..._wall`; `stamp` is
whole seconds UTC, as its sender has signed it.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from agent.model import Value

HORIZON: Final = "inbox_horizon"
"""Under which the store keeps the newest stamp of all messages that were acted on and are forgotten."""


class MessageState(IntEnum):
    """Where a message stands; the numbers are on disk and never change their meaning."""

    WAITING = 0
    ACTING = 1
    SENT = 2
    SETTLED = 3


@dataclass(frozen=True, slots=True)
class Received:
    """A message that is taken, or refused for good.

    Attributes:
        key: 16 bytes, of what its sender has signed: there is one message of a key.
        relay: by which it came.
        identity: what its sender calls it; empty: nothing it is called is signed.
        type: what it says that it is.
        sender: which key signed it; empty: nobody's.
        stamp: when its sender made it, as it has signed; None: it has not.
        at_wall: when it was taken.
        route: which took it; empty: none did.
        state: WAITING (with its body), SENT (with `event`) or SETTLED (with its outcome).
        event: which event of the step carries it, by its place there.
        outcome: done, rejected, failed or unknown; empty: it is not known yet.
        reason: why, for a person.
        body: as it was verified, until it is settled.
        again: it was refused before, and takes the place of that.
    """

    key: bytes
    relay: str
    identity: str
    type: str
    sender: str
    stamp: int | None
    at_wall: int
    route: str
    state: MessageState
    event: int | None = None
    outcome: str = ""
    reason: str = ""
    body: bytes | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """A message stands elsewhere now; settled, it loses its body."""

    key: bytes
    state: MessageState
    outcome: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Audited:
    """A line of the audit; one of the same key takes its place (but for when it was).

    Attributes:
        key: 16 bytes: the message's, or that of a row that refusals share.
        at_wall: when it began; of refusals that share a line, when the last one was.
        relay, identity, sender: see `Received`.
        action: write, acknowledge, shelve, ..., replay.
        target: the tag, rule or destination.
        old, new: what the tag was, and what was to be written.
        outcome: acting, done, rejected, failed or unknown.
        reason: why, for a person.
        count: how many refusals it stands for; all but `at_wall` is then of the last one.
        number: in the order in which they came; 0: it is not stored yet.
    """

    key: bytes
    at_wall: int
    relay: str
    identity: str
    sender: str
    action: str
    target: str
    old: Value | None = None
    new: Value | None = None
    outcome: str = "acting"
    reason: str = ""
    count: int = 1
    number: int = field(default=0, compare=False)


InboxChange: TypeAlias = Received | Settled | Audited


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is kept.

    Attributes:
        number: in the order in which they came.
        received: what is known of it; its `event` is not.
        seq: number of the event that carries it.
        sound: its row is as it was written; else it must not be acted on.
    """

    number: int
    received: Received
    seq: int | None
    sound: bool = True


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines of the audit: AND between the fields, None means any."""

    since_wall: int | None = None
    target: str | None = None
    outcome: str | None = None
