"""What the answers look like: the types of which the OpenAPI document is made.

Rules for whoever changes this: stamps are text, UTC, as in the events (`2026-11-21T23:59:59.123Z`); a field
without meaning is left out (NotRequired), an unknown value is null; names are the words of the commands.
Nothing here is built from these types: tests hold every answer of a running agent against them.
"""

from typing import Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

Scalar: TypeAlias = bool | int | float | str | None

# --- alarms ---------------------------------------------------------------------------------------


class Shelf(TypedDict):
    """Put aside by a person for a while; the page, which counts by itself, is not told `for_s`."""

    until: str
    for_s: NotRequired[int]
    reason: str
    by: str
    one_shot: bool


class AlarmRow(TypedDict):
    """An alarm, or a rule that makes events, as it stands."""

    rule: str
    level: NotRequired[str]
    priority: NotRequired[str]
    since: NotRequired[str]
    for_s: NotRequired[int]
    acknowledged_by: NotRequired[str]
    needs: NotRequired[Literal["acknowledge", "reset"]]
    chattering: NotRequired[bool]
    peak: NotRequired[float]
    value: NotRequired[Scalar]
    quality: NotRequired[str]
    unit: NotRequired[str]
    tag: NotRequired[str]
    suppressed_by: NotRequired[list[str]]
    shelved: NotRequired[Shelf]
    out_of_service: NotRequired[str]
    message: NotRequired[str]
    response: NotRequired[str]


class UnwatchedRow(AlarmRow):
    """A rule of which nothing would be told now, and why."""

    why: list[str]


class Alarms(TypedDict):
    """What is open, and what nobody would be told of."""

    open: list[AlarmRow]
    unwatched: list[UnwatchedRow]


class Obeyed(TypedDict):
    """What became of an order: the instances it was carried out for, and a sentence for each name it was not."""

    done: list[str]
    refused: list[str]


# --- sources and destinations by hand ---------------------------------------------------------------


class Paused(TypedDict):
    """What people are told of it."""

    paused: str
    reason: str


class Resumed(TypedDict):
    """Taken back; of a destination also how it is now, and how many had waited."""

    resumed: str
    state: NotRequired[str]
    reason: NotRequired[str]
    waited: NotRequired[int]


class Enabled(TypedDict):
    """Tried again now, and how it is."""

    enabled: str
    state: str
    reason: str


# --- the agent ------------------------------------------------------------------------------------------


Change = TypedDict(  # a class cannot have the key `from`
    "Change",
    {
        "rule": NotRequired[str],
        "section": NotRequired[str],
        "source": NotRequired[str],
        "destination": NotRequired[str],
        "relay": NotRequired[str],
        "key": NotRequired[str],
        "from": NotRequired[object],
        "to": NotRequired[object],
    },
)
Change.__doc__ = "What differs from the configuration that was in force: see `agent.changes`."


class Reloaded(TypedDict):
    """What has changed."""

    changed: list[Change]


class Flushed(TypedDict):
    """It is in the file."""

    flushed: bool


# --- the outbox -------------------------------------------------------------------------------------------


class DeliveryRow(TypedDict):
    """Where an event stands on its way to one destination."""

    destination: str
    state: Literal["pending", "delivered", "dead", "dropped"]
    previous: int | None
    charged: int
    settled: NotRequired[str]
    reason: NotRequired[str]
    resent: NotRequired[bool]


class AttemptRow(TypedDict):
    """One charged attempt."""

    at: str
    status: int | None
    latency_s: float
    text: str


class Sent(TypedDict):
    """An event as it is sent; of a damaged row no more than its number."""

    seq: int
    id: NotRequired[str]
    type: NotRequired[str]
    timestamp: NotRequired[str]
    data: NotRequired[dict[str, object]]
    damaged: NotRequired[bool]


class EventRow(Sent):
    """An event as it is sent, with its deliveries; of a damaged row no more than its number."""

    deliveries: list[DeliveryRow]


class DeliveryWhole(DeliveryRow):
    """With every attempt that is kept: the last ten that were charged."""

    attempts: list[AttemptRow]


class EventWhole(Sent):
    """One event, its deliveries with their attempts."""

    deliveries: list[DeliveryWhole]


class LetterRow(DeliveryRow, Sent):
    """A dead letter: an event and the delivery that was given up."""


class LetterWhole(LetterRow):
    """With its body and every attempt that is kept."""

    attempts: list[AttemptRow]
    body: NotRequired[str | None]
    body_error: NotRequired[str]


class Tally(TypedDict):
    """How many, from when to when; further ones that are damaged, or whose destination was removed."""

    count: int
    first: str | None
    last: str | None
    damaged: int
    removed: int


class Counts(TypedDict):
    """By destination; `next`: where a part of a long order goes on, null when done."""

    counts: dict[str, Tally]
    upto: int
    next: int | None


class Resent(TypedDict):
    """How many, and where a part of a long order goes on, null when done."""

    resent: int
    next: int | None


class Dropped(TypedDict):
    """How many, and where a part of a long order goes on, null when done."""

    dropped: int
    next: int | None


class Replayed(TypedDict):
    """How many were sent again, or of a dry run the counts."""

    upto: int
    next: int | None
    keep_delivered_s: NotRequired[int]
    replayed: NotRequired[int]
    counts: NotRequired[dict[str, Tally]]


class InboxRow(TypedDict):
    """A message that came in."""

    at: str
    relay: str
    id: str
    type: str
    route: str
    state: Literal["waiting", "acting", "sent", "settled"]
    outcome: str
    reason: str
    sender: str
    seq: int | None
    damaged: NotRequired[bool]


class AuditRow(TypedDict):
    """What a message asked of a machine or an alarm, and what became of it."""

    at: str
    outcome: str
    action: str
    target: str
    old: Scalar
    new: Scalar
    relay: str
    id: str
    sender: str
    reason: str
    count: int
