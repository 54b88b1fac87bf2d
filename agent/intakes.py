"""All sources at work: started, changed by a reload, paused for somebody else's sake, stopped.

Rules for whoever changes this: a source that did not change keeps its connection; a source is stopped by
cancelling its task, and it closes what it opened.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from agent.clock import Clock
from agent.config.messages import did_you_mean
from agent.desk import UnknownError
from agent.errors import StoreUnavailable
from agent.intake import Intake, Pause
from agent.model import Event
from agent.pipeline import Pipeline
from agent.sources import SourceConfig
from agent.stamps import Reckoning, utc_text
from agent.web.orders import ImpossibleError

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0


class Intakes:
    """All sources at work.

    Attributes:
        at_work: by name.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        clock: Clock,
        dice: Callable[[], float],
        reckoning: Callable[[], Reckoning],
    ) -> None:
        self.at_work: dict[str, Intake] = {}
        self._pipeline = pipeline
        self._clock = clock
        self._dice = dice
        self._reckoning = reckoning
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
            for intake in list(self.at_work.values()):
                for event in intake.look():
                    self._pipeline.announce(event)

    async def change(self, configs: Mapping[str, SourceConfig]) -> None:
        """Start what is new, stop what is gone, connect anew what changed; the others are not touched."""
        changed = [name for name, intake in self.at_work.items() if configs.get(name) != intake.config]
        pauses = {name: self.at_work[name].pause for name in changed}
        await self._end(changed)
        for name in changed:
            del self.at_work[name]
        self._start(configs, pauses)
        with suppress(StoreUnavailable):  # told again when the connection fails
            for name in changed:
                if name in self.at_work:
                    await self.at_work[name].down("its configuration was changed, it is connected anew")

    async def stop(self) -> None:
        """Stop them all, for good: a reload that is still under way starts none any more."""
        self._tasks = None
        await self._end(list(self.at_work))

    def last_words(self) -> Sequence[Event]:
        """What receivers must be told of the sources before the agent ends."""
        return [event for intake in self.at_work.values() for event in intake.last_word()]

    # --- by hand --------------------------------------------------------------------------------------

    async def pause(self, name: str, duration: int, by: str) -> str:
        """Free the device for somebody else: nothing is connected to it for `duration` nanoseconds.

        Its tags are bad meanwhile, and it is read again by itself. A second pause replaces the first.
        Returns what people are told.

        Raises:
            UnknownError: there is no such source.
        """
        intake, now = self._find(name), self._clock.monotonic()
        until = now + duration
        reason = f"paused by {by} until {utc_text(until + self._reckoning().offset)}"
        await self._end([name])
        intake.pause = Pause(until, reason)
        _log.info("source %s is %s", name, reason)
        self._run(intake)
        with suppress(StoreUnavailable):  # told when the disk takes it: with the next thing of this source
            await intake.down(reason)
        return reason

    def resume(self, name: str) -> None:
        """Read it again, now.

        Raises:
            UnknownError: there is no such source.
            ImpossibleError: it is not paused.
        """
        pause = self._find(name).pause
        if pause is None:
            raise ImpossibleError(f"source {name} is not paused")
        pause.ended.set()

    def _find(self, name: str) -> Intake:
        if name not in self.at_work:
            raise UnknownError(f"there is no source {name}{did_you_mean(name, self.at_work)}")
        return self.at_work[name]

    # --- tasks ------------------------------------------------------------------------------------------

    def _start(
        self, configs: Mapping[str, SourceConfig], pauses: Mapping[str, Pause | None] | None = None
    ) -> None:
        for name, config in configs.items():
            if name not in self.at_work:
                intake = Intake(name, config, self._pipeline, self._clock, self._dice, self._reckoning)
                intake.pause = (pauses or {}).get(name)
                self.at_work[name] = intake
                self._run(intake)

    def _run(self, intake: Intake) -> None:
        if self._tasks is not None:
            name = intake.name
            self._running[name] = self._tasks.create_task(intake.run(), name=f"source {name}")

    async def _end(self, names: Sequence[str]) -> None:
        ended = [self._running.pop(name) for name in names if name in self._running]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
