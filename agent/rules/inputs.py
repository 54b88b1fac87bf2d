"""What the rules know of tags and sources at this moment: the board that readings are pinned to.

Rules: each holder's `state` is one frozen value, replaced whole, so that the engine can put an old
one back when a commit fails. Freshness runs from the monotonic moment of receipt, never from the
device's clock (design: sources).
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from agent.model import SECOND, Quality, Reading, TagSpec, Value
from agent.rules.spec import Awaited

if TYPE_CHECKING:
    from agent.rules.runs import Run

FOREVER: Final = 2**63 - 1
FIRST_READ_WITHIN: Final = 15 * SECOND  # as long as a source may be down before that is an alarm


def sooner(one: int | None, other: int | None) -> int | None:
    """The earlier of two instants; None is never."""
    return other if one is None or (other is not None and other < one) else one


class TagState(NamedTuple):
    """What is known of a tag.

    Attributes:
        reading: the last one; None: never read.
        bad_since: since when it cannot be read; None while it can.
        evidence: when a good value was last received, or the start of the agent.
        last_time: the newest device stamp taken, nanoseconds UTC; what is not newer is dropped.
        cut: freshness ends here whatever the reading says: a later one was lost with a failed commit.
        newest: of a burst of history; it becomes the reading when nothing newer comes.
    """

    reading: Reading | None
    bad_since: int | None
    evidence: int
    last_time: int | None = None
    cut: int = FOREVER
    newest: Reading | None = None


class Tag:
    """One tag on the board.

    Attributes:
        runs: rules that look at this tag alone.
        joint: rules that look at others as well: they wait until all values of one instant are known.
    """

    __slots__ = ("joint", "runs", "source", "spec", "state")

    def __init__(self, spec: TagSpec, source: "Source", started: int) -> None:
        self.spec = spec
        self.source = source
        self.runs: list[Run] = []
        self.joint: list[Run] = []
        self.state = TagState(None, started, started)

    def become(self, state: TagState) -> None:
        """Take `state`."""
        self.state = state

    @property
    def name(self) -> str:
        """As in the configuration."""
        return self.spec.name

    @property
    def unit(self) -> str:
        """Engineering unit."""
        return self.spec.unit

    @property
    def value(self) -> Value | None:
        """The last value; None while it is bad or nothing was read."""
        return None if self.state.reading is None else self.state.reading.value

    @property
    def quality(self) -> Quality:
        """Of the last reading."""
        return Quality.BAD if self.state.reading is None else self.state.reading.quality

    @property
    def reason(self) -> str:
        """Why the quality is not good."""
        return "not read yet" if self.state.reading is None else self.state.reading.reason

    @property
    def source_time(self) -> int | None:
        """The device's stamp of the last reading, nanoseconds UTC."""
        return None if self.state.reading is None else self.state.reading.source_time

    @property
    def fresh_until(self) -> int:
        """The value counts as observed up to and including this instant."""
        return self.fresh_for(None)

    def fresh_for(self, stale_after: int | None) -> int:
        """The same, for a rule with a staleness of its own (None: the tag's)."""
        return min(self.lasts(stale_after), self.state.cut)

    def lasts(self, stale_after: int | None) -> int:
        """Until when the source vouches for the last value; a failed commit of ours does not shorten this."""
        state = self.state
        stale = self.spec.stale_after if stale_after is None else stale_after
        lasts = FOREVER if stale is None else state.evidence + stale
        return lasts if state.bad_since is None else min(lasts, state.bad_since)

    def bad_from(self, stale_after: int | None) -> int:
        """From when on it counts as bad; one that was not read yet has time, or each start were an alarm."""
        state = self.state
        return state.evidence + FIRST_READ_WITHIN if state.reading is None else self.lasts(stale_after)

    def absent_since(self, awaited: Awaited, stale_after: int | None) -> int | None:
        """Since when `awaited` is missing (may lie in the future: when it will be); None: it is there."""
        match awaited:
            case Awaited.SAMPLE:
                # Keep-alives prove a value that can be read, so not beyond the moment it went bad.
                proven = self.source.state.alive
                bad_since = self.state.bad_since
                return max(self.state.evidence, proven if bad_since is None else min(proven, bad_since))
            case Awaited.QUALITY:
                return self.bad_from(stale_after)
            case Awaited.CONNECTION:
                return self.source.absent_since(awaited, stale_after)


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
    """One source on the board; its connection is what a communication rule looks at."""

    __slots__ = ("name", "runs", "state", "tags")

    unit = ""
    value: Value | None = None
    source_time: int | None = None

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

    def fresh_for(self, stale_after: int | None) -> int:  # noqa: ARG002 - a connection does not go stale
        """That it is not there is observed as well."""
        return FOREVER

    def absent_since(self, awaited: Awaited, stale_after: int | None) -> int | None:  # noqa: ARG002 - as above
        """Since when it is not connected; None while it is."""
        return self.state.down_since if awaited is Awaited.CONNECTION else None
