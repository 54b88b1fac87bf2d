"""Heartbeats: every minute each destination that is well is told how far it should have come.

A receiver that follows `previous` finds every hole but one: what was lost after the last event that came. The
heartbeat names the newest number that was addressed to it, so that it knows of that too; and it tells a
watcher in the cloud that the agent is alive, what waits, and when nobody watched.

Rules for whoever changes this: nothing is stored by it, repeated, or numbered; a destination that is slow
delays no other and is not sent a second one meanwhile.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from agent.clock import Clock
from agent.intakes import Intakes
from agent.model import SECOND, Event, EventType, Json, Priority
from agent.pipeline import Pipeline
from agent.stamps import Reckoning, utc_text
from agent.store.store import Store

_log = logging.getLogger(__name__)

EVERY: Final = 60 * SECOND
_LAPSES: Final = 100


@dataclass(frozen=True, slots=True)
class Lapse:
    """Nothing was watched, or nothing of one source, from `since` to `until` (None: it lasts)."""

    since: int
    until: int | None
    reason: str
    source: str = ""

    def told(self, offset: int) -> dict[str, Json]:
        """As receivers are told, with UTC stamps."""
        until = None if self.until is None else utc_text(self.until + offset)
        told: dict[str, Json] = {
            "from": utc_text(self.since + offset),
            "to": until,
            "reason": self.reason,
        }
        return told | ({"source": self.source} if self.source else {})


class Lapses:
    """When nobody watched, as far back as the last hundred times."""

    def __init__(self, clock: Clock, lasting: Callable[[], Iterable[Lapse]]) -> None:
        """Remember; `lasting` gives those that are not over."""
        self._clock = clock
        self._lasting = lasting
        self._over: deque[tuple[int, Lapse]] = deque(maxlen=_LAPSES)

    def note(self, blind: Event) -> None:
        """An `agent.blind` was stored."""
        since, until = blind.instants["blind.from"], blind.instants["blind.to"]
        source = str(blind.data.get("source", ""))
        self._over.append((self._clock.monotonic(), Lapse(since, until, str(blind.data["reason"]), source)))

    def since(self, instant: int) -> Iterator[Lapse]:
        """Those that were told after an instant, and those that last."""
        for noted, lapse in self._over:
            if noted > instant:
                yield lapse
        yield from self._lasting()


def lasting(pipeline: Pipeline, intakes: Intakes) -> Iterator[Lapse]:
    """What is not watched now, or was not told yet."""
    if pipeline.blind_since is not None:
        yield Lapse(pipeline.blind_since, None, "store")
    for name, intake in intakes.at_work.items():
        if (lapse := intake.lapse()) is not None:
            yield Lapse(lapse.since, lapse.until if intake.up else None, lapse.reason, name)


class Outlets(Protocol):
    """Who sends; see `agent.outlets`."""

    def hearing(self) -> Sequence[str]:
        """The destinations that are well and are sent heartbeats."""
        ...

    def status(self) -> Mapping[str, Json]:
        """What is known of each destination at work."""
        ...

    async def beat(self, name: str, event: Event, at: Reckoning) -> None:
        """Make one attempt to send a heartbeat, whose outcome changes nothing."""
        ...


class Heartbeats:
    """See the module. `run` works until cancelled."""

    def __init__(
        self,
        outlets: Outlets,
        store: Store,
        clock: Clock,
        lapses: Lapses,
        *,
        mint: Callable[[int], str],
        reckoning: Callable[[], Reckoning],
        dice: Callable[[], float],
        every: int = EVERY,
    ) -> None:
        self._outlets = outlets
        self._store = store
        self._clock = clock
        self._lapses = lapses
        self._mint = mint
        self._reckoning = reckoning
        self._every = every
        self._started = clock.monotonic()
        self._due = self._started + round(dice() * every)  # a fleet that starts at once does not beat at once
        self._last: dict[str, int] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> NoReturn:
        """Beat every minute."""
        try:
            while True:
                await asyncio.sleep(max(0, self._due - self._clock.monotonic()) / SECOND)
                self._beat()
                # After the machine was asleep the beats that were missed are not made up for.
                late = max(0, self._clock.monotonic() - self._due)
                self._due += (late // self._every + 1) * self._every
        finally:
            await _end(self._under_way.values())

    def _beat(self) -> None:
        """Begin to send; nobody waits for it."""
        status, now = self._outlets.status(), self._clock.monotonic()
        for name in self._outlets.hearing():
            if self._busy(name):
                continue
            event = self._event(name, status[name], now)
            sending = self._outlets.beat(name, event, self._reckoning())
            self._under_way[name] = asyncio.create_task(sending, name=f"heartbeat to {name}")
            self._last[name] = now

    def _busy(self, name: str) -> bool:
        """Whether the one before is still under way; how it ended is nobody's business, but for a defect."""
        task = self._under_way.get(name)
        if task is None:
            return False
        if not task.done():
            return True
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("destination %s: a heartbeat could not be sent", name, exc_info=error)
        del self._under_way[name]
        return False

    def _event(self, name: str, known: Json, now: int) -> Event:
        waiting, offset = self._store.waiting_count(name), self._reckoning().offset
        told_until = self._last.get(name, self._started - 1)
        data: dict[str, Json] = {
            "destination": name,
            "high_water": self._store.high_water(name),
            "newest": self._store.seq,
            "waiting": waiting,
            "oldest_s": known["oldest_s"] if isinstance(known, dict) else None,
            "dead": self._store.dead_count(name),
            "given_up": self._store.lost_count(name),
            "blind_intervals": [lapse.told(offset) for lapse in self._lapses.since(told_until)],
            "uptime_s": (now - self._started) // SECOND,
            "message": f"the agent is alive, and {waiting or 'nothing'} waits for {name}",
        }
        return Event(self._mint(now), EventType.AGENT_HEARTBEAT, now, "agent", Priority.JOURNAL, data)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
