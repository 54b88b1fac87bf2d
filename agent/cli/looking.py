"""Reading tags once, of all sources at the same time: for `read` and for `check --live`.

Rules for whoever changes this: a dead source makes its own tags bad, with the reason, and nothing else;
nobody waits for it longer than was said.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from agent.cli.commissioning import closing, shown
from agent.cli.tables import Rows
from agent.clock import Clock
from agent.errors import SourceError
from agent.model import MILLISECOND, SECOND, Json, Quality, TagSpec, bad
from agent.sources.exploring import Explorer, Look, MistypedError
from agent.stamps import utc_text

if TYPE_CHECKING:
    from agent.config.model import Configuration
    from agent.sources import SourceConfig

_WIDEST_TAG: Final = 28
_RAW: Final = 13  # two registers; what is longer stands at the end of the line
_WIDTHS: Final = (14, 7, _RAW, 18, 4, 0)  # value, quality, raw, place, latency, more


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read.

    Attributes:
        tags: by name.
        sources: theirs, each with its secrets.
        within: how long one source may take, nanoseconds.
    """

    tags: Mapping[str, TagSpec]
    sources: Mapping[str, "SourceConfig"]
    within: int

    def of(self, source: str) -> list[str]:
        """The names of the tags of one source."""
        return [name for name, tag in self.tags.items() if tag.source == source]


def chosen(
    configuration: "Configuration", patterns: Collection[str], source: str | None
) -> dict[str, TagSpec]:
    """Give the tags that are meant: names, globs such as `R1.*`, or all.

    Raises:
        MistypedError: nothing is called so.
    """
    from agent.config.messages import did_you_mean

    if source is not None and source not in configuration.sources:
        raise MistypedError(f"there is no source {source}{did_you_mean(source, configuration.sources)}")
    tags = {name: tag for name, tag in configuration.tags.items() if source in {None, tag.source}}
    for pattern in patterns:
        if not any(_meant(name, pattern) for name in tags):
            if (made := _made(configuration, pattern, source)) is None:
                of = f" of {source}" if source else ""
                raise MistypedError(f"there is no tag{of} {pattern}{did_you_mean(pattern, tags)}")
            tags[pattern] = made
    wanted = {
        name: tag
        for name, tag in tags.items()
        if not patterns or any(_meant(name, pattern) for pattern in patterns)
    }
    if not wanted:
        raise MistypedError(
            "no tag has a name yet: a wildcard makes them, and no rule names one; name it here"
        )
    return wanted


def _made(configuration: "Configuration", name: str, source: str | None) -> TagSpec | None:
    """The tag that a source makes of a wildcard."""
    for maker, config in configuration.sources.items():
        if source in {None, maker} and (spec := config.tag_named(maker, name)) is not None:
            return spec
    return None


def _meant(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)  # a name may hold [ or *


async def look_at(wanted: Wanted, clock: Clock, told: Callable[[Look], None]) -> dict[str, str]:
    """Read every tag once; each look is `told` as it comes.

    Returns:
        Why sources could not be read, by name.
    """
    from agent.sources import explorer

    # Before anybody waits: importing a protocol's library holds up the loop for longer than a PLC may take.
    explorers = {name: explorer(name, config, clock) for name, config in wanted.sources.items()}
    async with asyncio.TaskGroup() as group:
        tasks = {
            source: group.create_task(
                _look_at_one(each, wanted.of(source), wanted.within, clock, told), name=f"look at {source}"
            )
            for source, each in explorers.items()
        }
    return {source: reason for source, task in tasks.items() if (reason := task.result())}


async def _look_at_one(
    explorer: Explorer,
    tags: Collection[str],
    within: int,
    clock: Clock,
    told: Callable[[Look], None],
) -> str:
    """Read the tags of one source; the reason if it cannot be read, else empty."""
    missing = dict.fromkeys(tags)
    failure, reason = "", "the source said nothing of it"
    try:
        async with asyncio.timeout(within / SECOND), closing(explorer.look(tags)) as looking:
            async for look in looking:
                missing.pop(look.reading.tag, None)
                told(look)
    except SourceError as error:
        failure = reason = str(error)
    except TimeoutError:
        reason = f"nothing came within {within / SECOND:g} s (--timeout waits longer)"
        failure = reason if len(missing) == len(tags) else ""
    for tag in missing:
        told(Look(bad(tag, clock.monotonic(), reason), ""))
    return failure


# --- for people, and for scripts ------------------------------------------------------------------------


class LookTable:
    """The table of looks, row by row; what is wrong stands below its row."""

    def __init__(self, tags: Mapping[str, TagSpec], clock: Clock) -> None:
        widest = min(max(map(len, tags), default=0), _WIDEST_TAG)
        self._tags, self._clock = tags, clock
        self._rows = Rows(("tag", "value", "quality", "raw", "place", "ms", ""), (widest, *_WIDTHS))

    def print(self, look: Look) -> None:
        """Print one."""
        reading = look.reading
        unit = self._tags[reading.tag].unit
        value = shown(reading.value) + (f" {unit}" if unit and reading.value is not None else "")
        latency = "" if look.latency is None else f"{look.latency / MILLISECOND:.1f}"
        raw, long = (look.raw, "") if len(look.raw) <= _RAW else ("", look.raw)
        more = f"{long}  {self._stamp(look)}".strip()
        self._rows.print((reading.tag, value, reading.quality.value, raw, look.place, latency, more))
        if reading.reason:
            self._rows.line(f"    {reading.reason}")

    def _stamp(self, look: Look) -> str:
        stamp = look.reading.source_time
        if stamp is None:
            return ""
        age = (self._clock.wall() - stamp) / SECOND
        local = datetime.fromtimestamp(stamp // SECOND, UTC).astimezone()
        how = f"{age:.1f} s ago" if age >= 0 else f"{-age:.1f} s ahead of this machine's clock"
        return f"stamped {local:%H:%M:%S}, {how}"


def as_json(look: Look, tag: TagSpec, clock: Clock) -> dict[str, Json]:
    """One look, for scripts."""
    reading, now = look.reading, clock.wall()
    stamp = reading.source_time
    return {
        "tag": reading.tag,
        "source": tag.source,
        "value": reading.value,
        "unit": tag.unit or None,
        "quality": reading.quality.value,
        "reason": reading.reason or None,
        "place": look.place or None,
        "raw": look.raw or None,
        "latency_ms": None if look.latency is None else look.latency / MILLISECOND,
        "time": utc_text(now),
        "source_time": None if stamp is None else utc_text(stamp),
        "age_s": None if stamp is None else (now - stamp) / SECOND,
    }


def is_bad(look: Look) -> bool:
    """Its value cannot be used."""
    return look.reading.quality is Quality.BAD
