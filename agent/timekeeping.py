"""Whether the wall clock may be believed, and who is told what it says.

Durations run on the monotonic clock and need none of this. The wall clock makes stamps and schedules, and
an industrial PC may boot in 1970, ten years ahead, or with a good battery and no network. So three grades:

- WRONG: it stands before this program was released, or a receiver's verified `Date` says otherwise and
  none agrees. Schedules hold what was.
- UNPROVEN: nothing contradicts it and nothing proves it: the usual plant without a time server. Schedules
  follow it; stamps say `clock: unsynchronized`.
- TRUSTED: the system says that it is synchronized, a receiver's verified `Date` agrees within 60 s, or a
  person has written `clock: trusted`.

Rules for whoever changes this: `judge` decides, and is pure; what decides is an offset (UTC minus monotonic
time), never an age, so that evidence outlives a step of the clock. A look costs no disk.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent import __released__
from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.metrics import LOOP_LAG
from agent.model import SECOND, Json, Seen, WallClock
from agent.stamps import Standing, utc_text

_log = logging.getLogger(__name__)

SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")
RELEASED: Final = int(datetime.fromisoformat(__released__).replace(tzinfo=UTC).timestamp()) * SECOND
_AGREES_WITHIN: Final = 60 * SECOND
_STEP: Final = SECOND // 2
_LOOK_EVERY_S: Final = 1.0
_ASK_SYSTEM_EVERY: Final = 10  # looks
_REMEDY: Final = (
    "let a time server set it (systemd-timesyncd), or write `agent: {clock: trusted}` if something else does"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for the wall clock, or against it.

    Attributes:
        written: a person has written `clock: trusted`.
        system: the system says that it is synchronized.
        receivers: what verified receivers make of our monotonic instants: UTC minus monotonic
            nanoseconds, by destination.
    """

    written: bool = False
    system: bool = False
    receivers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How far the wall clock is believed; `why` is a sentence for a person, with the remedy where one is needed."""

    standing: Standing
    why: str


def judge(wall: int, offset: int, evidence: Evidence) -> Judgement:
    """How far a wall clock that says `wall` (nanoseconds UTC), `offset` from the monotonic one, is believed."""
    if wall < RELEASED:
        why = f"it says {utc_text(max(wall, 0))}, and this program was released on {__released__}: {_REMEDY}"
        return Judgement(Standing.WRONG, why)
    if evidence.written:
        return Judgement(Standing.TRUSTED, "`clock: trusted` is written in the configuration")
    if evidence.system:
        return Judgement(Standing.TRUSTED, "the system says that it is synchronized")
    apart = {name: theirs - offset for name, theirs in evidence.receivers.items()}
    if not apart:
        return Judgement(Standing.UNPROVEN, f"nothing proves it: {_REMEDY}")
    name = min(apart, key=lambda each: abs(apart[each]))
    if abs(apart[name]) <= _AGREES_WITHIN:
        return Judgement(Standing.TRUSTED, f"destination {name} has the same time")
    why = f"destination {name} says that it is {-apart[name] / SECOND:+.0f} s off: {_REMEDY}"
    return Judgement(Standing.WRONG, why)


class Timekeeper:
    """Looks at the wall clock each second.

    Attributes:
        offset: what makes a UTC stamp of an instant, nanoseconds, as of the last look.
        judgement: how far that is to be believed.
    """

    def __init__(
        self,
        clock: Clock,
        emit: Callable[[Sequence[Seen]], Awaitable[None]],
        receivers: Callable[[], Mapping[str, int]],
        *,
        written: bool,
        synchronized: Path = SYNCHRONIZED,
    ) -> None:
        self._clock = clock
        self._emit = emit
        self._receivers = receivers
        self._written = written
        self._file = synchronized
        self._system = False
        self._looks = 0
        self._told: WallClock | None = None
        self.offset = clock.wall() - clock.monotonic()
        self.judgement = self._judge()
        self._say()

    async def run(self) -> None:
        """Look each second, until cancelled; each wakening also tells how late the loop is."""
        while True:
            asleep = self._clock.monotonic()
            await asyncio.sleep(_LOOK_EVERY_S)
            LOOP_LAG.set(max(0.0, (self._clock.monotonic() - asleep) / SECOND - _LOOK_EVERY_S))
            await self.look()

    async def look(self) -> None:
        """Look now, and tell the rules if what they know is not so any more."""
        offset = self._clock.wall() - self._clock.monotonic()
        if abs(offset - self.offset) > _STEP:
            _log.warning("the wall clock has stepped by %+.1f s", (offset - self.offset) / SECOND)
        self.offset, before = offset, self.judgement
        self.judgement = self._judge()
        if self.judgement.standing is not before.standing:
            self._say()
        believed = None if self.judgement.standing is Standing.WRONG else offset
        told = self._told
        if told is None or _differ(told.offset, believed):
            word = WallClock(self._clock.monotonic(), believed)
            try:
                await self._emit([word])
            except StoreUnavailable:
                return  # the store has said so; told at the next look
            self._told = word

    def _judge(self) -> Judgement:
        if not self._system and self._looks % _ASK_SYSTEM_EVERY == 0:
            self._system = (
                self._file.exists()
            )  # made when it is first synchronized, and there until the next boot
        self._looks += 1
        evidence = Evidence(self._written, self._system, self._receivers())
        return judge(self._clock.monotonic() + self.offset, self.offset, evidence)

    def _say(self) -> None:
        level = logging.WARNING if self.judgement.standing is Standing.WRONG else logging.INFO
        _log.log(level, "the wall clock is %s: %s", self.judgement.standing.word, self.judgement.why)

    def status(self) -> dict[str, Json]:
        """What people are told of it."""
        return {"standing": self.judgement.standing.word, "why": self.judgement.why}

    def problems(self) -> Sequence[str]:
        """Why schedules do not run; nothing while they do."""
        wrong = self.judgement.standing is Standing.WRONG
        return [f"the wall clock is wrong, schedules hold: {self.judgement.why}"] if wrong else []


def _differ(told: int | None, now: int | None) -> bool:
    if told is None or now is None:
        return told is not now
    return abs(told - now) > _STEP
