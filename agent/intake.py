"""One source at work: its sessions under a supervisor, its state for people, one line per problem.

Rules for whoever changes this: the log and the status tell changes, never each poll; a reason is told
once, for all the tags that share it. What receivers are told of a source (when nobody watched, whose
clock is wrong) is looked for once a second, in `look`.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from agent.arrivals import Arrivals
from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.lapses import Connection, Interruption, Overdue
from agent.metrics import READINGS, SOURCE_UP, TAGS_BAD, TAGS_LATE
from agent.model import SECOND, Event, EventType, Json, Link, Quality, Reading, Seen, TagSpec
from agent.pipeline import Pipeline
from agent.skews import Skews
from agent.sources import SourceConfig, session
from agent.sources.aside import aside
from agent.sources.writing import Door
from agent.stamps import Reckoning
from agent.supervise import Supervisor

_log = logging.getLogger(__name__)

_MOST_LOSSES: Final = 100
_LATELY: Final = 600 * SECOND
_NAMED: Final = 3
_HISTORY: Final = "what was missed came late, as history"


@dataclass(frozen=True, slots=True)
class Pause:
    """The device is left to somebody else.

    Attributes:
        until: monotonic nanoseconds.
        reason: who wants it and until when, as people are told.
        ended: set when it ends before its time.
    """

    until: int
    reason: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Intake:
    """Runs one source until cancelled.

    Attributes:
        name, config: the source.
        up: its connection is proven.
        since: since when it is up or down, monotonic nanoseconds.
        bad: why a tag cannot be read, by tag, while the connection is up.
        late: since when nothing has come of a tag that should have, while the connection is up.
        pause: it is not read until then.
        door: behind it lies what writes to its tags, while it is connected and one of them says `write`.
    """

    def __init__(
        self,
        name: str,
        config: SourceConfig,
        pipeline: Pipeline,
        clock: Clock,
        random: Callable[[], float],
        reckoning: Callable[[], Reckoning],
    ) -> None:
        self.name = name
        self.config = config
        self.up = False
        self.since = clock.monotonic()
        self.bad: dict[str, str] = {}
        self.late: dict[str, int] = {}
        self.pause: Pause | None = None
        self.door = Door()
        # Here, so that its adapter is imported before anything is read.
        self._read = session(config, self.door)
        self._pipeline = pipeline
        self._clock = clock
        self._reckoning = reckoning
        specs = config.tag_specs(name)
        self._arrivals = Arrivals(
            specs, lambda tag: config.tag_named(name, tag), one_clock=config.type != "mqtt"
        )
        self._skews = Skews(name, self._arrivals)
        self._overdue = Overdue()
        self._connection = Connection(self.since)
        self._down_taken = True
        self._losses: deque[tuple[int, str]] = deque(maxlen=_MOST_LOSSES)
        self._readings = READINGS.labels(name)
        self._up = SOURCE_UP.labels(name)
        self._tags_bad = TAGS_BAD.labels(name)
        self._tags_late = TAGS_LATE.labels(name)
        self._up.set(0)
        self._supervisor = Supervisor(
            f"source {name}", self._session, on_down=self.down, clock=clock, random=random
        )

    async def run(self, lost: str = "") -> None:
        """Keep the source connected, once a pause is over; `lost`: why what was read of it counts no more."""
        if (pause := self.pause) is not None:
            lost, self.since = pause.reason, self._clock.monotonic()
        if lost:
            with suppress(StoreUnavailable):  # told again when the connection fails
                await self.down(lost)
        if pause is not None:
            await self._leave_alone(pause)
            self.pause, self.since = None, self._clock.monotonic()
            _log.info("source %s is read again", self.name)
        await self._supervisor.run()

    async def _leave_alone(self, pause: Pause) -> None:
        """Wait until the pause is over; meanwhile its tags are bad, as soon as the disk takes it."""
        while not pause.ended.is_set() and (left := pause.until - self._clock.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, SECOND) / SECOND):
                    await pause.ended.wait()
            if not (self._down_taken or pause.ended.is_set()):
                with suppress(StoreUnavailable):
                    await self.down(pause.reason)

    async def _session(self) -> None:
        await self._read(self.name, self._emit, self._clock)

    async def down(self, reason: str) -> None:
        """Its connection is lost, or could not be had: all its tags are bad.

        Raises:
            StoreUnavailable: what follows of it could not be stored.
        """
        now = self._clock.monotonic()
        if self.up:
            self.up, self.since = False, now
            self._losses.append((now, reason))
        self._connection.down(now, reason)
        self._up.set(0)
        self.bad.clear()
        self._tags_bad.set(0)
        self._down_taken = False
        await self._pipeline.emit([Link(self.name, up=False, at=now, reason=reason)])
        self._down_taken = True

    async def _emit(self, batch: Sequence[Seen]) -> None:
        await self._pipeline.emit(self._arrivals.marked(batch, self._reckoning().offset))
        self._readings.inc(len(batch))
        if not self.up and any(isinstance(seen, Link) and seen.up for seen in batch):
            self.up, self.since = True, self._clock.monotonic()
            self._connection.up(self.since)
            self._overdue.connected()
            self._up.set(1)
            _log.info("source %s is connected", self.name)
        self._supervisor.alive()
        self._tell_tags(batch)

    def _tell_tags(self, batch: Sequence[Seen]) -> None:
        new: dict[str, list[str]] = defaultdict(list)
        good: list[str] = []
        for seen in batch:
            if not isinstance(seen, Reading):
                continue
            self._overdue.hear(seen.tag, seen.received)
            if seen.quality is Quality.BAD:
                if seen.tag not in self.bad:
                    new[seen.reason].append(seen.tag)
                self.bad[seen.tag] = seen.reason  # may differ each time, as the payload that it quotes
            elif seen.tag in self.bad:
                del self.bad[seen.tag]
                good.append(seen.tag)
        for reason, tags in new.items():
            _log.warning("source %s: %s cannot be read: %s", self.name, named(tags), reason)
        if good:
            _log.info("source %s: %s can be read again", self.name, named(good))
        self._tags_bad.set(len(self.bad))

    # --- once a second ------------------------------------------------------------------------------

    def look(self) -> Iterator[Event]:
        """Give what receivers are to be told now, beside the values."""
        now = self._clock.monotonic()
        self._look_for_late(now)
        if (over := self._connection.interruption(now)) is not None:
            yield self._blind(over)
        if (history := self._arrivals.history(now)) is not None:
            yield self._blind(Interruption(*history, _HISTORY))
        for skew in self._skews.look(now, self._reckoning().standing):
            yield self._pipeline.event(EventType.SOURCE_CLOCK_SKEW, skew)

    def last_word(self) -> Iterator[Event]:
        """Give what receivers must be told of before the agent ends."""
        now = self._clock.monotonic()
        if (interruption := self._connection.open(now)) is not None:
            yield self._blind(interruption)
        if (history := self._arrivals.history(now, ending=True)) is not None:
            yield self._blind(Interruption(*history, _HISTORY))

    def lapse(self) -> Interruption | None:
        """Since when nothing is read of it, if that was not told yet."""
        return self._connection.open(self._clock.monotonic())

    def untold(self) -> bytes | None:
        """What is to be told after a kill: an interruption as `[since, until or null, reason]`, JSON."""
        return self._connection.untold(self._clock.monotonic())

    def _blind(self, lapse: Interruption) -> Event:
        return self._pipeline.blind(lapse.since, lapse.until, lapse.reason, source=self.name)

    def _look_for_late(self, now: int) -> None:
        late = self._overdue.since(now, self.since, self._specs()) if self.up else {}
        new, back = late.keys() - self.late.keys(), self.late.keys() - late.keys()
        self.late = late
        self._tags_late.set(len(late))
        if new:
            _log.warning(
                "source %s: nothing comes of %s, though it is connected: look at the device, and at `stale_after`",
                self.name,
                named(new),
            )
        if back and self.up:
            _log.info("source %s: %s: values come again", self.name, named(back))

    def _specs(self) -> list[TagSpec]:
        """Its tags: those that are declared, and those of what it finds that a rule names (MQTT wildcards)."""
        source = self._pipeline.engine.sources.get(self.name)
        return [] if source is None else [tag.spec for tag in source.tags]

    # --- what it can be asked ------------------------------------------------------------------------

    @property
    def reason(self) -> str:
        """Why it is down; empty while it is up."""
        if self.up:
            return ""
        return self.pause.reason if self.pause else self._supervisor.reason or "not connected yet"

    @property
    def losses(self) -> tuple[int, str]:
        """How often its connection was lost in the last ten minutes, a hundred at most, and why the last time."""
        lately = [why for at, why in self._losses if self._clock.monotonic() - at < _LATELY]
        return len(lately), lately[-1] if lately else ""

    @property
    def state(self) -> str:
        """In one word."""
        return "paused" if self.pause else "up" if self.up else "down"

    @property
    def tags(self) -> int:
        """How many it has."""
        source = self._pipeline.engine.sources.get(self.name)
        return 0 if source is None else len(source.tags)

    @property
    def skew_s(self) -> float | None:
        """How far the worst of its clocks is ahead, seconds; None: none is worth telling."""
        return self._skews.worst_s()

    def status(self) -> dict[str, Json]:
        """What people are told of it."""
        now = self._clock.monotonic()
        return {
            "type": self.config.type,
            "state": self.state,
            "for_s": (now - self.since) // SECOND,
            "reason": self.reason,
            "tags": self.tags,
            "bad": dict(self.bad),
            "late": {tag: (now - since) // SECOND for tag, since in self.late.items()},
            "skew_s": self.skew_s,
            "unreadable": aside(self.name).status(now),
        }


def named(tags: Sequence[str] | set[str]) -> str:
    """`A`, `A and B`, or `A, B, C and 12 more`."""
    tags = tags if isinstance(tags, Sequence) else sorted(tags)
    if len(tags) > _NAMED:
        return f"{', '.join(tags[:_NAMED])} and {len(tags) - _NAMED} more"
    return " and ".join(tags) if len(tags) < _NAMED else f"{tags[0]}, {tags[1]} and {tags[2]}"
