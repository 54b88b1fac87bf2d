"""The operator's hand on the destinations: held back for a while, taken up again.

A pause of a destination loses nothing, so it may be without an end; while it lasts, status and health
say so. Its length counts on the monotonic clock. After a restart what is left of it is reckoned by the
wall clock, and is never more than the whole: a clock that fell back by years makes it no longer.

Rules for whoever changes this: what is told as done is on disk, or will be before anything else of the
destination is.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from agent.clock import Clock
from agent.desk import UnknownError
from agent.dispatch.loop import Dispatcher
from agent.model import Json
from agent.stamps import utc_text
from agent.store.records import DestinationFacts
from agent.store.store import Store
from agent.web.orders import ImpossibleError


@dataclass(frozen=True, slots=True)
class Hold:
    """One pause.

    Attributes:
        at_wall: when it began.
        lasts: for how long, nanoseconds; None: it has no end.
        ends: monotonic, in this boot.
    """

    at_wall: int
    lasts: int | None
    ends: int | None


class Holding:
    """See the module; `forget`, `take_up`, `with_pause` and `look` are for whoever runs the destinations."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatcher: Callable[[str], Dispatcher],
        kept: Callable[[str], Awaitable[None]],
    ) -> None:
        """`dispatcher` gives who sends to a destination (UnknownError: there is none), `kept` puts its facts on disk."""
        self._store = store
        self._clock = clock
        self._dispatcher = dispatcher
        self._kept = kept
        self._holds: dict[str, Hold] = {}

    # --- what people ask -----------------------------------------------------------------------------

    async def pause(self, name: str, duration: int | None, by: str, reason: str) -> str:
        """Send nothing there for `duration` nanoseconds (None: until it is resumed); what people are told.

        What is for it waits. A second pause replaces the first. It survives a restart.

        Raises:
            UnknownError: there is none of this name.
        """
        dispatcher = self._dispatcher(name)
        wall = self._clock.wall()
        self._hold(name, wall, duration, 0)
        until = "" if duration is None else f" until {utc_text(wall + duration)}"
        why = f"by {by} since {utc_text(wall)}{until}" + (f": {reason}" if reason else "")
        dispatcher.pause(why)
        await self._kept(name)
        return why

    async def resume(self, name: str) -> dict[str, Json]:
        """Send there again, now; how it is then.

        Raises:
            UnknownError: there is none of this name.
            ImpossibleError: it is not paused.
        """
        health = self._dispatcher(name).health
        if health.paused is None:
            why = (
                ": there is nothing to resume"
                if health.disabled is None
                else f" but disabled: {health.disabled}{remedy(name)}"
            )
            raise ImpossibleError(f"destination {name} is not paused{why}")
        waited = self._store.waiting_count(name)
        self._resume(name)
        await self._kept(name)
        return self._how_it_is(name) | {"waited": waited}

    async def enable(self, name: str) -> dict[str, Json]:
        """Take up a disabled destination again; how it is then.

        Raises:
            UnknownError: there is none of this name.
            ImpossibleError: it is paused, not disabled.
        """
        dispatcher = self._dispatcher(name)
        if dispatcher.health.disabled is None and dispatcher.health.paused is not None:
            raise ImpossibleError(
                f"destination {name} is not disabled but paused {dispatcher.health.paused}; {_resumes(name)}"
            )
        dispatcher.enable()
        await self._kept(name)
        return self._how_it_is(name)

    def warnings(self) -> list[str]:
        """What is not sent because a person wants it so, a sentence each."""
        return [
            f"destination {name} is paused {dispatcher.health.paused}; "
            f"events that wait: {self._store.waiting_count(name)}; {_resumes(name)}"
            for name, dispatcher in self._at_work()
        ]

    def _how_it_is(self, name: str) -> dict[str, Json]:
        state, reason = self._dispatcher(name).health.state
        return {"state": state.value, "reason": reason}

    # --- what passes ---------------------------------------------------------------------------------

    def look(self) -> None:
        """Take up those again whose pause is over."""
        now = self._clock.monotonic()
        for name, _ in self._at_work():
            if (ends := self._holds[name].ends) is not None and ends <= now:
                self._resume(name)

    def _at_work(self) -> list[tuple[str, Dispatcher]]:
        """Those that are paused, but for one that is just being replaced by a reload."""
        found: list[tuple[str, Dispatcher]] = []
        for name in self._holds:
            with suppress(UnknownError):
                found.append((name, self._dispatcher(name)))
        return found

    def take_up(self, name: str, facts: DestinationFacts) -> None:
        """A destination begins; go on with what was kept of its pause."""
        self.forget(name)
        if facts.paused is not None:
            wall = self._clock.wall()
            began = wall if facts.paused_at_wall is None else facts.paused_at_wall
            self._hold(name, began, facts.paused_for, max(0, wall - began))

    def forget(self, name: str) -> None:
        """A destination has ended, and is taken up again or gone; until then its facts are kept with the pause."""
        self._holds.pop(name, None)

    def with_pause(self, name: str, facts: DestinationFacts) -> DestinationFacts:
        """The facts of a destination with what is to be known of its pause after a restart."""
        hold = self._holds.get(name)
        if facts.paused is None or hold is None:
            return facts
        return replace(facts, paused_at_wall=hold.at_wall, paused_for=hold.lasts)

    def _hold(self, name: str, at_wall: int, lasts: int | None, gone: int) -> None:
        ends = None if lasts is None else self._clock.monotonic() + lasts - gone
        self._holds[name] = Hold(at_wall, lasts, ends)

    def _resume(self, name: str) -> None:
        self.forget(name)
        self._dispatcher(name).resume()


def remedy(name: str) -> str:
    """What a sentence about a disabled destination ends with."""
    return f"; `edge-relay enable destination:{name}` takes it up again"


def _resumes(name: str) -> str:
    return f"`edge-relay resume destination:{name}` sends them"
