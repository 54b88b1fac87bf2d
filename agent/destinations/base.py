"""What every destination is: a section of the configuration, and something that delivers a message.

A destination's folder declares its section (`config.py`, free of heavy imports) and opens a
`Destination`, which is transport and signature alone: it makes ONE attempt and says what came of
it. When to try, what the answer means and what becomes of the event is decided elsewhere
(`agent.dispatch`, `agent.delivery`). It never retries, and it closes everything it opened.

Expected failure is a value (`NoAnswer`), and names the step that failed (DNS, connect, TLS,
timeout) and what to look at, without a secret or the address's query. An exception is a bug.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from agent.config.fields import Duration, Section
from agent.delivery.schedule import OWN_SCHEDULE
from agent.delivery.subscription import Subscription, matches
from agent.formats.config import FormatSection
from agent.model import SECOND, Answer, Event, EventType, NoAnswer, Priority

# The first words of all event types (design: delivery, "What is sent").
_FAMILIES = ("alarm", "tag", "event", "rule", "source", "agent", "delivery", "store", "inbound")


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        id: the same on every attempt and at every destination; of a batch, made of its members' ids.
        body: as the destination's format wrote it, before any compression; what is signed.
        content_type: of the body.
        events: what it tells, in order; a batch has several.
        headers: beside the body, by lower-case name, in the place of our own id, stamp and signature; None: those.
    """

    id: str
    body: bytes
    content_type: str = "application/json"
    events: tuple[Event, ...] = ()
    headers: Mapping[str, str] | None = None


class Destination(Protocol):
    """One receiver, ready to be sent to."""

    clock_offset: int
    """How far the receiver's clock is ahead of ours, nanoseconds; 0 when they agree or nothing is known."""

    utc_offset: int | None
    """What the receiver, by a verified `Date`, makes of our monotonic instants: nanoseconds to UTC; None: unknown."""

    def headers(self, message: Message) -> dict[str, str]:
        """What goes out beside the body, stamped and signed now; holds credentials."""
        ...

    async def deliver(self, message: Message) -> Answer | NoAnswer:
        """Make one attempt, within the section's `timeout`; cancelled, it leaves nothing behind."""
        ...


def _check_event_pattern(pattern: str) -> str:
    """A pattern that nothing fits would be a destination that is never told anything, and nobody would know."""
    # The beginnings too: `store.*` is meant for what is yet to come.
    if any(matches((pattern,), known) for known in (*EventType, *(f"{each}." for each in _FAMILIES))):
        return pattern
    family = pattern.partition(".")[0]
    if kinds := [kind for kind in EventType if kind.startswith(f"{family}.")]:
        raise ValueError(f'no event is called "{pattern}": expected {family}.* or one of {", ".join(kinds)}')
    raise ValueError(
        f'no event is called "{pattern}": expected a pattern such as alarm.*, '
        f"beginning with one of {', '.join(_FAMILIES)}"
    )


Pattern = Annotated[str, Field(min_length=1)]
PriorityWord = Literal["critical", "high", "medium", "low", "journal"]


class BatchSection(Section):
    """Several events in one request, for a receiver that agreed to it."""

    max_events: Annotated[int, Field(ge=2, le=1000)] = 100
    """How many events one request carries at most."""
    max_wait: Annotated[Duration, Field(ge=0, le=60 * SECOND)] = 1 * SECOND
    """How long an event waits for others at most."""


class FallbackSection(Section):
    """Another destination that also gets what this one has not taken in time, under the same id."""

    to: Annotated[str, Field(min_length=1)]
    """The other destination, by name."""
    after: Annotated[Duration, Field(ge=10 * SECOND)]
    """How long an event waits here before it goes there too."""


class RateSection(Section):
    """How much a receiver may be sent."""

    events: Annotated[int, Field(ge=1)]
    """So many events ..."""
    per: Annotated[Duration, Field(ge=1 * SECOND, le=86_400 * SECOND)] = 1 * SECOND
    """... in so long."""


class DestinationSection(FormatSection):
    """What a destination of any kind may say."""

    events: tuple[Annotated[Pattern, AfterValidator(_check_event_pattern)], ...] = Field((), strict=False)
    """Event types it gets, `*` for any part: alarm.*; none: all."""
    rules: tuple[Pattern, ...] = Field((), strict=False)
    """Rules whose events it gets, `*` and `?` as in file names; none: all."""
    priority: tuple[PriorityWord, ...] = Field((), strict=False)
    """Priorities it gets; none: all."""
    tags: tuple[Pattern, ...] = Field((), strict=False)
    """Tags whose events it gets, `*` and `?` as in file names; none: all."""
    order: Literal["subject", "strict"] = "subject"
    """subject: in order within a rule, rules side by side; strict: one event at a time."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    """How many deliveries may be under way at once."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=300 * SECOND)] = 15 * SECOND
    """How long one attempt may take in all."""
    retry: Annotated[tuple[Annotated[Duration, Field(gt=0)], ...], Field(min_length=1, max_length=20)] = (
        Field(OWN_SCHEDULE, strict=False)
    )
    """The waits of an event that the receiver does not take while it takes others; then it is a dead letter."""

    lanes: Literal["on", "off"] = "on"
    """on: critical and high alarms go first, history after them; off: all in the order in which it happened."""
    rate_limit: RateSection | None = None
    """How much it may be sent in a time: {events: 10, per: 1s}; none: as much as it takes."""
    max_age: Annotated[Duration, Field(ge=10 * SECOND)] | None = None
    """An event that has waited for longer becomes a dead letter, `expired`; none: it waits for ever."""
    fallback: FallbackSection | None = None
    """Another destination that also gets what this one has not taken in time."""

    @property
    def batching(self) -> BatchSection | None:
        """How events are put together; None: each goes alone."""
        return None

    @property
    def plain_http(self) -> bool:
        """Whether somebody on the way can answer in the receiver's place."""
        return False

    def subscription(self) -> Subscription:
        """What it asked for."""
        priorities = frozenset(Priority[word.upper()] for word in self.priority)
        return Subscription(self.events, self.rules, self.tags, priorities)
