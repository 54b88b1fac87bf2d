"""The sources at work: the sessions of each under a supervisor, its state for people, one line per problem.

Rules: the log and the status tell changes, never each poll; a reason is told once, for all the tags
that share it.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.metrics import READINGS, SOURCE_UP, TAGS_BAD
from agent.model import Json, Link, Quality, Reading, Seen
from agent.pipeline import Pipeline
from agent.sources import SourceConfig, session
from agent.supervise import Supervisor

_log = logging.getLogger(__name__)

_NAMED: Final = 3


class Intake:
    """Runs one source until cancelled.

    Attributes:
        name, config: the source.
        up: its connection is proven.
        since: since when it is up or down, monotonic nanoseconds.
        bad: why a tag cannot be read, by tag, while the connection is up.
    """

    def __init__(
        self, name: str, config: SourceConfig, pipeline: Pipeline, clock: Clock, random: Callable[[], float]
    ) -> None:
        self.name = name
        self.config = config
        self.up = False
        self.since = clock.monotonic()
        self.bad: dict[str, str] = {}
        self._read = session(config)  # here, so that its adapter is imported before anything is read
        self._pipeline = pipeline
        self._clock = clock
        self._readings = READINGS.labels(name)
        self._up = SOURCE_UP.labels(name)
        self._tags_bad = TAGS_BAD.labels(name)
        self._up.set(0)
        self._supervisor = Supervisor(
            f"source {name}", self._session, on_down=self._down, clock=clock, random=random
        )

    async def run(self) -> None:
        """Keep the source connected."""
        await self._supervisor.run()

    async def _session(self) -> None:
        await self._read(self.name, self._emit, self._clock)

    async def _down(self, reason: str) -> None:
        if self.up:
            self.up, self.since = False, self._clock.monotonic()
        self._up.set(0)
        self.bad.clear()
        await self._pipeline.emit([Link(self.name, up=False, at=self._clock.monotonic(), reason=reason)])

    async def _emit(self, batch: Sequence[Seen]) -> None:
        await self._pipeline.emit(batch)
        self._readings.inc(len(batch))
        if not self.up and any(isinstance(seen, Link) and seen.up for seen in batch):
            self.up, self.since = True, self._clock.monotonic()
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
            if seen.quality is Quality.BAD:
                if seen.tag not in self.bad:
                    new[seen.reason].append(seen.tag)
                self.bad[seen.tag] = seen.reason  # may differ each time, as the payload that it quotes
            elif seen.tag in self.bad:
                del self.bad[seen.tag]
                good.append(seen.tag)
        for reason, tags in new.items():
            _log.warning("source %s: %s cannot be read: %s", self.name, _names(tags), reason)
        if good:
            _log.info("source %s: %s can be read again", self.name, _names(good))
        self._tags_bad.set(len(self.bad))

    @property
    def reason(self) -> str:
        """Why it is down; empty while it is up."""
        return "" if self.up else self._supervisor.reason or "not connected yet"

    def status(self) -> dict[str, Json]:
        """What people are told of it."""
        return {
            "type": self.config.type,
            "state": "up" if self.up else "down",
            "for_s": (self._clock.monotonic() - self.since) // 1_000_000_000,
            "reason": self.reason,
            "tags": len(self.config.tags),
            "bad": dict(self.bad),
        }


class Intakes:
    """All sources at work.

    Attributes:
        at_work: by name.
    """

    def __init__(self, pipeline: Pipeline, clock: Clock, dice: Callable[[], float]) -> None:
        self.at_work: dict[str, Intake] = {}
        self._pipeline = pipeline
        self._clock = clock
        self._dice = dice
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def begin(self, tasks: asyncio.TaskGroup, configs: Mapping[str, SourceConfig]) -> None:
        """Start them all; from now on `change` may be called."""
        self._tasks = tasks
        self._start(configs)

    async def change(self, configs: Mapping[str, SourceConfig]) -> None:
        """Start what is new, stop what is gone, connect anew what changed; the others are not touched."""
        changed = [name for name, intake in self.at_work.items() if configs.get(name) != intake.config]
        await self._end(changed)
        now, reason = self._clock.monotonic(), "its configuration was changed, it is connected anew"
        down = [Link(name, up=False, at=now, reason=reason) for name in changed if name in configs]
        with suppress(StoreUnavailable):  # told again when the connection fails
            await self._pipeline.emit(down)
        self._start(configs)

    async def stop(self) -> None:
        """Stop them all, for good: a reload that is still under way starts none any more."""
        self._tasks = None
        await self._end(list(self.at_work))

    def _start(self, configs: Mapping[str, SourceConfig]) -> None:
        for name, config in configs.items():
            if name not in self.at_work and self._tasks is not None:
                intake = Intake(name, config, self._pipeline, self._clock, self._dice)
                self.at_work[name] = intake
                self._running[name] = self._tasks.create_task(intake.run(), name=f"source {name}")

    async def _end(self, names: Sequence[str]) -> None:
        ended = [self._running.pop(name) for name in names]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        for name in names:
            del self.at_work[name]


def _names(tags: Sequence[str]) -> str:
    """`A`, `A and B`, or `A, B, C and 12 more`."""
    if len(tags) > _NAMED:
        return f"{', '.join(tags[:_NAMED])} and {len(tags) - _NAMED} more"
    return " and ".join(tags) if len(tags) < _NAMED else f"{tags[0]}, {tags[1]} and {tags[2]}"
