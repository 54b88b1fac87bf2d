"""What every source is: a configuration that names its tags, and a session that emits what it sees.

A source module declares a `SourceSection` (in `config.py` of its folder, free of heavy imports) and
an async `run(name, config, emit, clock)`: ONE session. It connects, emits `Link(up=True)` once the
device has proved itself by an answer, then emits readings until the connection is lost, and raises
`SourceError` with the device, the cause and the remedy in its message. It never reconnects: the
supervisor owns that, with back-off, and emits `Link(up=False)` (which makes all the source's tags
bad). It closes everything it opened, whatever ends it, cancellation included.

`emit` returns when the consequence is on disk; only then may the session acknowledge upstream. When
it raises `StoreUnavailable` nothing of the batch was taken: a polled source goes on polling, a
subscribed one keeps the newest value of each tag and offers it again, MQTT leaves it unacknowledged
and offers it again.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import AfterValidator, Field, FiniteFloat

from agent.config.fields import PLACE, Duration, Section
from agent.model import Quality, Reading, Seen, TagSpec

if TYPE_CHECKING:
    from agent.sources.writing import WriteSection

Emit: TypeAlias = Callable[[Sequence[Seen]], Awaitable[None]]


async def until_one_fails() -> None:
    """Wait in the body of a TaskGroup whose tasks never return, for the first of them to fail.

    A failure that finds the parent in the group's exit instead leaves a cancellation counted on the
    parent's task (before Python 3.13), and then `asyncio.timeout` of Debian 12's Python 3.11.2 lets a
    CancelledError out in place of its TimeoutError: in the goodbye, or in the next session.
    """
    await asyncio.Event().wait()


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    low, high = value
    if not low < high:
        raise ValueError(f"expected [low, high] with low < high, got [{low:g}, {high:g}]")
    return value


Range = Annotated[tuple[float, float], Field(strict=False), AfterValidator(_ascending)]


class TagSection(Section):
    """What a tag of any protocol may say."""

    unit: str = ""
    """Engineering unit, as it is to be shown: °C, bar, m3/h."""
    range: Range | None = None
    """Engineering range [low, high]: what percentages in rules are of."""
    stale_after: Duration | None = None
    """How long after its receipt a value counts as fresh; nearest wins: rule, tag, source."""


class MeasuredTag(TagSection):
    """A tag whose number comes as it is to be shown; which numbers are none."""

    invalid: list[FiniteFloat] = Field(default_factory=list)
    """Values by which the device says that it has none: [-9999, 32767]."""
    valid_range: Range | None = None
    """Values outside of [low, high] are bad: a broken wire is no temperature."""

    def believed(self, reading: Reading) -> Reading:
        """Give the reading; bad if its number is a code for "no value", or cannot be."""
        value = reading.value
        if not isinstance(value, int | float) or isinstance(value, bool):
            return reading
        if value in self.invalid:
            why = f"the device says that it has no value (its code {value:g})"
        elif self.valid_range is not None and not self.valid_range[0] <= value <= self.valid_range[1]:
            low, high = self.valid_range
            why = f"the value is outside of its valid_range [{low:g}, {high:g}]"
        else:
            return reading
        return reading._replace(value=None, quality=Quality.BAD, reason=why)


class SourceSection(Section):
    """What a source of any protocol may say."""

    stale_after: Duration | None = None
    """How long after its receipt a value counts as fresh, for all tags of this source."""

    if TYPE_CHECKING:  # each protocol has its own; no field here, where it would come first in every editor
        tags: Mapping[str, TagSection]

    @abstractmethod
    def tag_specs(self, source: str) -> list[TagSpec]:
        """Every tag this source reads, with `stale_after` resolved; without those of `tag_named`."""

    def tag_named(self, source: str, name: str) -> TagSpec | None:  # noqa: ARG002 - few sources make names
        """Give a tag that the source names itself, by what it finds (MQTT wildcards); None: it makes no such name."""
        return None

    def writes(self) -> Mapping[str, "WriteSection"]:
        """Give what may be written, by tag; a protocol that writes nothing has none."""
        return {}

    def wrong_names(self) -> Iterator[tuple[str, str]]:
        """Give the tags whose names cannot be, as they are written, and why."""
        for name in self.tags:
            if PLACE.search(name):
                yield (
                    name,
                    "{1} stands for what a wildcard in an MQTT topic matched; there is none here: leave it out",
                )
