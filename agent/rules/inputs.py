"""What the rules know of tags and sources at this moment: the board that readings are pinned to.

Rules: each holder's `state` is one frozen value, replaced whole, so that the engine can put an old
one back when a commit fails. Freshness runs from the monotonic moment of receipt, never from the
device's clock (design: sources).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.model import SECOND, Quality, Reading, TagSpec, Value
from agent.rules.spec import Awaited

if TYPE_CHECKING:
    from agent.rules.runs import Run

FOREVER: Final = 2**63 - 1
_FIRST_READ_WITHIN: Final = 15 * SECOND  # as long as a source may be down before that is an alarm


class TagState(NamedTuple):
    """What is known of a tag.

    Attributes:
        reading: the last one; None: never read.
        bad_since: since when it cannot be read; None while it can.
        evidence: when a good value was last received, or the start of the agent.
        last_time: the newest device stamp taken, nanoseconds UTC; what is not newer is dropped.
        cut: freshness ends here whatever the reading says: a later one was lost with a failed commit.
    """

    reading: Reading | None
    bad_since: int | None
    evidence: int
    last_time: int | None = None
    cut: int = FOREVER


class Tag:
    """One tag on the board, as rules view it (`agent.rules.view.View`)."""

    __slots__ = ("runs", "source", "spec", "state")

    def __init__(self, spec: TagSpec, source: "Source", started: int) -> None:
        self.spec = spec
        self.source = source
        self.runs: list[Run] = []
        self.state = TagState(None, started, started)

    def become(self, state: TagState) -> None:
        """Take `state`."""
        self.state = state

    @property
    def tag(self) -> str:
        """See `View.tag`."""
        return self.spec.name

    @property
    def unit(self) -> str:
        """See `View.unit`."""
        return self.spec.unit

    @property
    def value(self) -> Value | None:
        """See `View.value`."""
        return None if self.state.reading is None else self.state.reading.value

    @property
    def quality(self) -> Quality:
        """See `View.quality`."""
        return Quality.BAD if self.state.reading is None else self.state.reading.quality

    @property
    def reason(self) -> str:
        """See `View.reason`."""
        return "not read yet" if self.state.reading is None else self.state.reading.reason

    @property
    def source_time(self) -> int | None:
        """See `View.source_time`."""
        return None if self.state.reading is None else self.state.reading.source_time

    @property
    def fresh_until(self) -> int:
        """See `View.fresh_until`."""
        return self.fresh_for(self.spec.stale_after)

    def fresh_for(self, stale_after: int | None) -> int:
        """Until when the last value counts as observed, if it lasts `stale_after` from its receipt."""
        return min(self.lasts(stale_after), self.state.cut)

    def lasts(self, stale_after: int | None) -> int:
        """Until when the source vouches for the last value; a failed commit of ours does not shorten this."""
        state = self.state
        lasts = FOREVER if stale_after is None else state.evidence + stale_after
        return lasts if state.bad_since is None else min(lasts, state.bad_since)

    def bad_from(self, stale_after: int | None) -> int:
        """From when on it counts as bad; one that was not read yet has time, or each start were an alarm."""
        state = self.state
        return state.evidence + _FIRST_READ_WITHIN if state.reading is None else self.lasts(stale_after)

    def absent_since(self, awaited: Awaited) -> int | None:
        """See `View.absent_since`."""
        match awaited:
            case Awaited.SAMPLE:
                # Keep-alives prove a value that can be read, so not beyond the moment it went bad.
                proven = self.source.state.alive
                bad_since = self.state.bad_since
                return max(self.state.evidence, proven if bad_since is None else min(proven, bad_since))
            case Awaited.QUALITY:
                return self.bad_from(self.spec.stale_after)
            case Awaited.CONNECTION:
                return self.source.absent_since(awaited)


@dataclass(frozen=True, slots=True)
class Sight:
    """A tag seen by a rule that has its own idea of staleness."""

    of: Tag
    stale_after: int

    @property
    def tag(self) -> str:
        """See `View.tag`."""
        return self.of.tag

    @property
    def unit(self) -> str:
        """See `View.unit`."""
        return self.of.unit

    @property
    def value(self) -> Value | None:
        """See `View.value`."""
        return self.of.value

    @property
    def quality(self) -> Quality:
        """See `View.quality`."""
        return self.of.quality

    @property
    def reason(self) -> str:
        """See `View.reason`."""
        return self.of.reason

    @property
    def source_time(self) -> int | None:
        """See `View.source_time`."""
        return self.of.source_time

    @property
    def fresh_until(self) -> int:
        """See `View.fresh_until`."""
        return self.of.fresh_for(self.stale_after)

    def absent_since(self, awaited: Awaited) -> int | None:
        """See `View.absent_since`."""
        return (
            self.of.bad_from(self.stale_after)
            if awaited is Awaited.QUALITY
            else self.of.absent_since(awaited)
        )


class SourceState(NamedTuple):
    """What is known of a source's connection.

    Attributes:
        down_since: since when it is not connected; None while it is.
        alive: when its subscription last proved itself.
        reason: why it is down.
    """

    down_since: int | None
    alive: int = 0
    reason: str = "not connected yet"


class Source:
    """One source on the board, as its communication rule views it."""

    __slots__ = ("name", "runs", "state", "tags")

    tag = ""
    unit = ""
    value: Value | None = None
    source_time: int | None = None
    fresh_until = FOREVER

    def __init__(self, name: str, started: int) -> None:
        self.name = name
        self.tags: list[Tag] = []
        self.runs: list[Run] = []
        self.state = SourceState(started)

    def become(self, state: SourceState) -> None:
        """Take `state`."""
        self.state = state

    @property
    def quality(self) -> Quality:
        """GOOD while connected."""
        return Quality.GOOD if self.state.down_since is None else Quality.BAD

    @property
    def reason(self) -> str:
        """Why it is not connected."""
        return self.state.reason if self.state.down_since is not None else ""

    def absent_since(self, awaited: Awaited) -> int | None:
        """See `View.absent_since`."""
        return self.state.down_since if awaited is Awaited.CONNECTION else None
