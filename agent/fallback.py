"""What a destination has not taken in time goes to another one as well: `fallback: {to: sms, after: 10m}`.

Under the same id, once, and late; the first destination gets it all the same when it is back. It makes
no difference why it waits: a failing destination, a disabled one, and one that a person has paused fall
back alike. What fell back falls no further, what a person sends again does not fall, and what is dead
is a person's, not the fallback's.

Rules for whoever changes this: while nothing is late it costs one look at a number; how far it came is
in memory alone, because a row that exists already is not made again (see `agent.store.fallback`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from agent.clock import Clock
from agent.config.fields import format_duration
from agent.destinations.base import FallbackSection
from agent.destinations.config import DestinationConfig
from agent.errors import StoreUnavailable
from agent.store.alive import Moment, away, now
from agent.store.records import Stored
from agent.store.store import Store

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0  # no commit more than there is for outcomes anyway


class Fallbacks:
    """See the module. `run` works until cancelled."""

    def __init__(
        self, store: Store, clock: Clock, destinations: Callable[[], Mapping[str, DestinationConfig]]
    ) -> None:
        """`destinations` gives those that are configured now."""
        self._store = store
        self._clock = clock
        self._destinations = destinations
        self._done: dict[tuple[str, str], int] = {}  # up to which number all that is late has fallen back
        self._falling: set[str] = set()
        self._started = clock.monotonic()

    async def run(self) -> NoReturn:
        """Look every few seconds for what has waited too long."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Address what is late by now; a disk that takes nothing has it at the next look."""
        for name, config in self._destinations().items():
            if config.fallback is not None:
                await self._look(name, config.fallback)

    async def _look(self, name: str, section: FallbackSection) -> None:
        oldest = self._store.oldest_waiting(name)
        present = now(self._clock, self._store.boot)
        if oldest is None or self._age(oldest.at, present) < section.after:
            self._falling.discard(name)
            return

        def late(stored: Stored) -> bool:
            at = stored.event.at
            return self._age(Moment(stored.boot, at, at + stored.offset), present) >= section.after

        try:
            count = await self._fall(name, section.to, late)
        except StoreUnavailable:
            return  # the store has said so; what is late stays late
        if count and name not in self._falling:
            self._falling.add(name)
            after = format_duration(section.after)
            _log.warning(
                "destination %s has not taken events for %s: they go to %s as well", name, after, section.to
            )

    def _age(self, made: Moment, present: Moment) -> int:
        """How long it has waited; one of an earlier boot, whose clock may have been years ahead, at least as long as we."""
        least = 0 if made.boot == present.boot else present.monotonic - self._started
        return max(away(made, present), least)

    async def _fall(self, name: str, to: str, late: Callable[[Stored], bool]) -> int:
        """Address all that is late to the other one; how many that were."""
        way, count = (name, to), 0
        while True:
            after = self._done.get(way, 0)
            walked = await self._store.letters.fall_back(name, to, after, late)
            count += walked.count
            if walked.next is None or walked.next <= after:
                return count
            self._done[way] = walked.next
