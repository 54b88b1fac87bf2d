"""Between whoever receives and the one task that emits: what has arrived and was not taken yet.

Rules for whoever changes this file: `put` is called from the publish loop, where an exception would
be swallowed and a wait would hold up the keep-alives: it does neither. What does not fit is never
dropped in silence (asyncua's own queue drops the oldest, unsaid): the session ends, and the next one
begins with a baseline.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from asyncua import ua

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import Reading

Arrival: TypeAlias = "ua.PublishResult | Sequence[Reading]"

_EACH: Final = 60  # values of each tag: half a minute of a stuck disk at the default pace
_MORE: Final = 1000


class Inbox:
    """Publish responses and readings in the order of their arrival, each with the monotonic instant of its receipt."""

    def __init__(self, tags: int, clock: Clock) -> None:
        self._limit = _EACH * tags + _MORE
        self._clock = clock
        self._waiting: deque[tuple[int, Arrival]] = deque()
        self._values = 0
        self._failure = ""
        self._arrived = asyncio.Event()

    def put(self, result: ua.PublishResult) -> None:
        """Keep a publish response; an empty one is a keep-alive."""
        parts = result.NotificationMessage.NotificationData or ()
        changes = [part for part in parts if isinstance(part, ua.DataChangeNotification)]
        self._keep(result, sum(len(change.MonitoredItems) for change in changes))

    def tell(self, readings: Sequence[Reading]) -> None:
        """Keep what was read on a timer, or is known to be missing."""
        self._keep(readings, len(readings))

    @property
    def waits(self) -> bool:
        """Something has arrived and was not taken yet."""
        return bool(self._waiting)

    @property
    def holds_readings(self) -> bool:
        """What was told before was not taken yet."""
        return any(not isinstance(each, ua.PublishResult) for _, each in self._waiting)

    def _keep(self, arrival: Arrival, values: int) -> None:
        self._values += values
        if self._values > self._limit:
            self.fail(
                f"more than {self._limit} values wait for the store: see whether the disk is slow or full"
            )
        if not self._failure:
            self._waiting.append((self._clock.monotonic(), arrival))
            self._arrived.set()

    def fail(self, reason: str) -> None:
        """End the session, after what has arrived before; the first reason counts."""
        self._failure = self._failure or reason
        self._arrived.set()

    async def wait(self, silence: float | None) -> None:
        """Wait until there is something to take; without a `silence`, for ever.

        Raises:
            SourceError: for `silence` seconds nothing came, not even a keep-alive.
        """
        try:
            async with asyncio.timeout(silence):
                await self._arrived.wait()
        except TimeoutError as error:
            raise SourceError(
                f"the server sent nothing for {silence:g}s, not even a keep-alive: check cable, switch and server"
            ) from error

    def take(self) -> list[tuple[int, Arrival]]:
        """Take all there is.

        Raises:
            SourceError: there is nothing more, and never will be.
        """
        if self._failure and not self._waiting:
            raise SourceError(self._failure)
        taken = list(self._waiting)
        self._waiting.clear()
        self._values = 0
        if not self._failure:
            self._arrived.clear()
        return taken
