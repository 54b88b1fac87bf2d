"""Keeps one task alive: runs its sessions, waits between them, and says when it goes down.

A session (a source's connection, a relay's poll) ends with its error; coming back is decided here
and nowhere else. Rules for whoever changes this: an exception that nobody expected is a bug in one
adapter, so it is told with its traceback and must not stop the others; no cancellation is caught
but a session's own; the log tells changes of state, not each retry; clock and dice are passed in.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from agent.clock import Clock
from agent.errors import EdgeRelayError
from agent.model import SECOND

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait between sessions, nanoseconds: doubles from `first` to `longest`.

    Half of each wait is left to the dice: a hundred agents whose broker comes back must not knock
    in the same second, and none may knock at once (a wait of nearly nothing is no back-off).
    """

    first: int = 1 * SECOND
    longest: int = 30 * SECOND

    def ceiling(self, failures: int) -> int:
        """The longest wait after this many failures in a row (1, 2, ...)."""
        # Past 2 ** 40 nothing is short; unbounded, the number would grow for as long as the PLC is away.
        return min(self.longest, self.first << min(max(failures - 1, 0), 40))

    def wait(self, failures: int, dice: float) -> int:
        """The wait itself, from half the ceiling up to it; `dice` is uniform in [0, 1)."""
        half = self.ceiling(failures) // 2
        return half + round(dice * half)


USUAL: Final = Backoff()


class Supervisor:
    """Runs one session after the other until it is cancelled."""

    def __init__(
        self,
        name: str,
        session: Callable[[], Awaitable[None]],
        *,
        on_down: Callable[[str], Awaitable[None]],
        clock: Clock,
        random: Callable[[], float],
        backoff: Backoff = USUAL,
        patience: int | None = None,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            name: what a person calls it (`source press`), for the log.
            session: one session; an `EdgeRelayError` is its ordinary end.
            on_down: told why, after every session that ended. What it raises is handled as a
                session's error is: the next failure tells it again.
            clock: measures how long a session held.
            random: uniform in [0, 1).
            backoff: the waits between sessions.
            patience: nanoseconds without `alive` after which a session is stuck and cancelled;
                None: it may be silent for ever.
        """
        self.name = name
        self.reason = ""
        """Why it is down, for the status page; empty while it is up and before its first end."""
        self._session = session
        self._on_down = on_down
        self._clock = clock
        self._random = random
        self._backoff = backoff
        self._patience = None if patience is None else patience / SECOND
        self._limit: asyncio.Timeout | None = None
        self._failures = 0

    def alive(self) -> None:
        """The running session proved itself: the next wait is the first one, and its patience starts anew.

        Means nothing between sessions, so `on_down` may use the same `emit` that tells it.
        """
        if self._limit is None or self._limit.expired():
            return
        if self.reason:
            _log.info("%s is up again", self.name)
        self._forget()
        if self._patience is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._patience)

    async def run(self) -> NoReturn:
        """Keep it alive until cancelled."""
        while True:
            began = self._clock.monotonic()
            reason, bug = await self._end_of(self._one_session())
            # Nothing takes so long to fail as the longest wait: it was up, whether it told or not.
            if self._clock.monotonic() - began > self._backoff.longest:
                self._forget()
            self._failures += 1
            changed = reason != self.reason
            if changed:
                _log.warning("%s is down: %s", self.name, reason, exc_info=bug)
            self.reason = reason
            _, bug = await self._end_of(self._on_down(reason))
            if changed and bug is not None:
                _log.error("%s is down, and telling it failed", self.name, exc_info=bug)
            await asyncio.sleep(self._backoff.wait(self._failures, self._random()) / SECOND)

    def _forget(self) -> None:
        self._failures = 0
        self.reason = ""

    async def _one_session(self) -> None:
        task = asyncio.current_task()
        wanted = task.cancelling() if task is not None else 0
        try:
            async with asyncio.timeout(self._patience) as self._limit:
                await self._session()
        except asyncio.CancelledError:
            # A library that lets its own cancellation out must not end the source for ever, unseen.
            if task is None or task.cancelling() > wanted:
                raise
            raise EdgeRelayError(
                "its session cancelled itself; it was started anew, a bug: report it with what `edge-relay bundle` collects"
            ) from None
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
            raise EdgeRelayError(
                f"nothing came of it for {self._patience:g} s; it was started anew: look at the device and the network"
            ) from None
        finally:
            self._limit = None

    async def _end_of(self, work: Awaitable[None]) -> tuple[str, Exception | None]:
        """Why it ended, for a person, and the exception if that was a bug."""
        try:
            await work
        except EdgeRelayError as error:
            return str(error), None
        except Exception as error:  # noqa: BLE001 - a bug in one adapter must not stop the agent
            # The type alone: the text of a foreign exception may hold an address with its password.
            return f"an internal error ({type(error).__name__}), see the agent's log", error
        return "it ended without an error", None
