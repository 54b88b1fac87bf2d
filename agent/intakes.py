"""All sources at work: started, changed by a reload, paused for somebody else's sake, stopped.

Rules for whoever changes this: a source that did not change keeps its connection; a source is stopped by
cancelling its task, and it closes what it opened.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn

from agent.clock import Clock
from agent.config.messages import did_you_mean
from agent.desk import UnknownError
from agent.intake import Intake, Pause
from agent.metrics import ITEMS_ALIVE, ITEMS_WANTED, SOURCE_UP, TAGS_BAD, TAGS_LATE
from agent.model import Event
from agent.pipeline import Pipeline
from agent.sources import SourceConfig, expiring
from agent.stamps import Reckoning, utc_text
from agent.web.orders import ImpossibleError

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_CERTIFICATES_EVERY_S: Final = 3600.0
_SHOWN: Final = (SOURCE_UP, TAGS_BAD, TAGS_LATE, ITEMS_WANTED, ITEMS_ALIVE)

DOWN: Final = "down/"
"""Under which the store keeps, by source, an interruption that was not told yet."""


class Intakes:
    """All sources at work.

    Attributes:
        at_work: by name.
        expiring: certificates that must be renewed, a sentence each; looked for once an hour.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        clock: Clock,
        dice: Callable[[], float],
        reckoning: Callable[[], Reckoning],
    ) -> None:
        self.at_work: dict[str, Intake] = {}
        self.expiring: Sequence[str] = ()
        self._pipeline = pipeline
        self._clock = clock
        self._dice = dice
        self._reckoning = reckoning
        self._changing = asyncio.Lock()  # a source that is being ended belongs to whoever ends it
        self._kept: dict[str, bytes] = {}  # by the store's key
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def begin(self, tasks: asyncio.TaskGroup, configs: Mapping[str, SourceConfig]) -> None:
        """Start them all; from now on `change` may be called."""
        self._tasks = tasks
        self._start(configs)

    async def look_forever(self) -> NoReturn:
        """Look each second for what receivers are to be told of the sources themselves."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._tasks is not None:  # else the last words are told, each once
                self._look()

    def _look(self) -> None:
        self._keep_untold()
        for intake in self.at_work.values():
            for event in intake.look():
                self._pipeline.announce(event)

    def _keep_untold(self) -> None:
        """Keep since when sources are down: after a kill it is told by the next run (see `agent.restore`)."""
        untold = {f"{DOWN}{name}": intake.untold() for name, intake in self.at_work.items()}
        gone = dict.fromkeys(self._kept.keys() - untold.keys())
        news = {key: kept for key, kept in (untold | gone).items() if kept != self._kept.get(key)}
        if news:
            self._pipeline.remember(news)
        self._kept = {key: kept for key, kept in untold.items() if kept is not None}

    async def watch_certificates(self) -> NoReturn:
        """Look once an hour for certificates that are about to expire."""
        while True:
            configs = [intake.config for intake in self.at_work.values()]
            found = await asyncio.to_thread(_expiring, configs, self._clock.wall())
            self.expiring = tuple(dict.fromkeys(found))  # sources may share a folder of them
            await asyncio.sleep(_CERTIFICATES_EVERY_S)

    async def change(self, configs: Mapping[str, SourceConfig]) -> None:
        """Start what is new, stop what is gone, connect anew what changed; the others are not touched."""
        async with self._changing:
            changed = [name for name, intake in self.at_work.items() if configs.get(name) != intake.config]
            await self._end(changed)
            before = {name: self.at_work.pop(name) for name in changed}
            for intake in before.values():
                for event in intake.last_word():
                    self._pipeline.announce(event)
            for name in before.keys() - configs.keys():
                for gauge in _SHOWN:  # what is gone must not look to monitoring as it was last
                    gauge.remove(name)
            self._start(configs, before)
        await asyncio.sleep(0)  # each has begun: what it was is not believed any more

    async def stop(self) -> None:
        """Stop them all, for good: a reload that is still under way starts none any more."""
        self._tasks = None
        async with self._changing:
            await self._end(list(self.at_work))

    def last_words(self) -> Sequence[Event]:
        """What receivers must be told of the sources before the agent ends."""
        self._pipeline.remember(dict.fromkeys(self._kept))
        return [event for intake in self.at_work.values() for event in intake.last_word()]

    # --- by hand --------------------------------------------------------------------------------------

    async def pause(self, name: str, duration: int, by: str) -> str:
        """Free the device for somebody else: nothing is connected to it for `duration` nanoseconds.

        Its tags are bad meanwhile, and it is read again by itself. A second pause replaces the first.
        Returns what people are told.

        Raises:
            UnknownError: there is no such source.
        """
        until = self._clock.monotonic() + duration
        reason = f"paused by {by} until {utc_text(until + self._reckoning().offset)}"
        async with self._changing:
            intake = self._find(name)
            await self._end([name])
            intake.pause = Pause(until, reason)
            _log.info("source %s is %s", name, reason)
            self._run(intake)
        await asyncio.sleep(0)  # as above
        return reason

    def resume(self, name: str) -> None:
        """Read it again, now.

        Raises:
            UnknownError: there is no such source.
            ImpossibleError: it is not paused.
        """
        pause = self._find(name).pause
        if pause is None:
            raise ImpossibleError(f"source {name} is not paused: it is read, there is nothing to resume")
        pause.ended.set()

    def _find(self, name: str) -> Intake:
        if name not in self.at_work:
            raise UnknownError(f"there is no source {name}{did_you_mean(name, self.at_work)}")
        return self.at_work[name]

    # --- tasks ------------------------------------------------------------------------------------------

    def _start(
        self, configs: Mapping[str, SourceConfig], before: Mapping[str, Intake] = MappingProxyType({})
    ) -> None:
        for name, config in configs.items():
            if name not in self.at_work:
                intake = Intake(name, config, self._pipeline, self._clock, self._dice, self._reckoning)
                self.at_work[name] = intake
                if name in before:
                    intake.pause = before[name].pause
                    self._run(intake, "its configuration was changed, it is connected anew")
                else:
                    self._run(intake)

    def _run(self, intake: Intake, lost: str = "") -> None:
        if self._tasks is not None:
            name = intake.name
            self._running[name] = self._tasks.create_task(intake.run(lost), name=f"source {name}")

    async def _end(self, names: Sequence[str]) -> None:
        ended = [self._running.pop(name) for name in names if name in self._running]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


def _expiring(configs: Iterable[SourceConfig], wall: int) -> list[str]:
    return [sentence for config in configs for sentence in expiring(config, wall)]
