"""Whether the wall clock may be believed, and who is told what it says.

Durations run on the monotonic clock and need none of this. The wall clock makes stamps and schedules, and
an industrial PC may boot in 1970, ten years ahead, or with a good battery and no network. So three grades:

- WRONG: it stands before this program was released, or more than 30 min from what receivers say by a
  verified `Date`. Schedules hold what was, unless a better offset is known from before a step.
- UNPROVEN: nothing proves it: the usual plant without a time server, whose clock is right, or drifts by
  minutes. Schedules follow it; stamps say `clock: unsynchronized`.
- TRUSTED: the system says that it is synchronized, a receiver's verified `Date` agrees within 60 s, or a
  person has written `clock: trusted`.

Rules for whoever changes this: `judge` decides, and is pure; what decides is an offset (UTC minus monotonic
time), never an age, so that evidence outlives a step of the clock. A look costs no disk.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent import __released__
from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.metrics import LOOP_LAG
from agent.model import SECOND, Json, Seen, WallClock
from agent.stamps import Reckoning, Standing, utc_text

_log = logging.getLogger(__name__)

SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")
RELEASED: Final = int(datetime.fromisoformat(__released__).replace(tzinfo=UTC).timestamp()) * SECOND
_AGREES_WITHIN: Final = 60 * SECOND
_WRONG_BEYOND: Final = 1_800 * SECOND
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


def judge(now: int, offset: int, evidence: Evidence) -> Judgement:
    """How far a clock is believed that stands `offset` nanoseconds ahead of the monotonic one, at instant `now`."""
    wall = now + offset
    if wall < RELEASED:
        why = (
            f"it says {utc_text(max(wall, 0))[:10]}, and this program was released on {__released__}: set it"
        )
        return Judgement(Standing.WRONG, why)
    if evidence.written:
        return Judgement(Standing.TRUSTED, "`clock: trusted` is written in the configuration")
    if evidence.system:
        return Judgement(Standing.TRUSTED, "the system says that it is synchronized")
    if not evidence.receivers:
        return Judgement(Standing.UNPROVEN, f"nothing proves it: {_REMEDY}")
    ahead = {name: offset - theirs for name, theirs in evidence.receivers.items()}
    name = min(ahead, key=lambda each: abs(ahead[each]))
    if abs(ahead[name]) <= _AGREES_WITHIN:
        return Judgement(Standing.TRUSTED, f"destination {name} has the same time")
    standing = Standing.UNPROVEN if abs(ahead[name]) <= _WRONG_BEYOND else Standing.WRONG
    why = f"it is {ahead[name] / SECOND:+.0f} s from the time of destination {name}: {_REMEDY}"
    return Judgement(standing, why)


class Timekeeper:
    """Looks at the wall clock each second.

    Within a boot UTC is the monotonic clock plus a constant. So a wall clock that steps to nonsense need not be
    followed: of its offset and the one gone by so far the better one counts, by the same evidence.

    Attributes:
        judgement: how far the wall clock is believed, as of the last look.
        reckoning: how instants become stamps, by the best that is known.
    """

    def __init__(
        self,
        clock: Clock,
        emit: Callable[[Sequence[Seen]], Awaitable[None]],
        correct: Callable[[], Awaitable[None]],
        receivers: Callable[[], Mapping[str, int]],
        *,
        written: bool = False,
        synchronized: Path = SYNCHRONIZED,
    ) -> None:
        """Look for the first time.

        Args:
            clock: both clocks.
            emit: takes WallClock for the rules; raises StoreUnavailable when it is not taken.
            correct: told that `reckoning` is better than what some events were stored with; raises
                StoreUnavailable when that cannot be kept.
            receivers: see `Evidence.receivers`.
            written: `clock: trusted` is.
            synchronized: the file by which the system says so.
        """
        self._clock = clock
        self._emit = emit
        self._correct = correct
        self._receivers = receivers
        self._file = synchronized
        self._evidence = Evidence(written, synchronized.exists())
        self._looks = 0
        self._told: int | None = None
        self._offset = clock.wall() - clock.monotonic()
        self.judgement = judge(clock.monotonic(), self._offset, self._evidence)
        self.reckoning = Reckoning(self._offset, self.judgement.standing)
        self._corrected = self.reckoning.standing
        self._say()

    async def run(self) -> None:
        """Look each second until cancelled; each wakening also tells how late the loop is."""
        while True:
            asleep = self._clock.monotonic()
            await asyncio.sleep(_LOOK_EVERY_S)
            LOOP_LAG.set(max(0.0, (self._clock.monotonic() - asleep) / SECOND - _LOOK_EVERY_S))
            self._look()
            await self.tell()

    def _look(self) -> None:
        """See what the wall clock says now, and judge it."""
        now = self._clock.monotonic()
        before, self._offset = self._offset, self._clock.wall() - now
        if abs(self._offset - before) > _STEP:
            _log.warning(
                "the wall clock has stepped by %+.1f s: where nobody set it, look at the time server",
                (self._offset - before) / SECOND,
            )
        self._gather()
        standing, self.judgement = self.judgement.standing, judge(now, self._offset, self._evidence)
        if self.judgement.standing is not standing:
            self._say()
        former = judge(now, self.reckoning.offset, self._evidence).standing
        if self.judgement.standing >= former:
            self.reckoning = Reckoning(self._offset, self.judgement.standing)
        else:
            self.reckoning = Reckoning(self.reckoning.offset, former)

    def _gather(self) -> None:
        """Bring the evidence up to date; what a destination said goes on to count when it is replaced."""
        known = self._evidence
        self._looks += 1
        # The file is made when the clock is first synchronized, and is there until the next boot.
        system = known.system or (self._looks % _ASK_SYSTEM_EVERY == 0 and self._file.exists())
        self._evidence = Evidence(known.written, system, {**known.receivers, **self._receivers()})

    async def tell(self) -> None:
        """Tell the store and the rules what they do not know; what is not taken now is told at the next look."""
        known = self.reckoning
        believed = None if known.standing is Standing.WRONG else known.offset
        with suppress(StoreUnavailable):  # the store has said so
            if known.standing > self._corrected:
                await self._correct()
            self._corrected = known.standing
            if _differ(self._told, believed):
                await self._emit([WallClock(self._clock.monotonic(), believed)])
                self._told = believed

    def _say(self) -> None:
        level = logging.WARNING if self.judgement.standing is Standing.WRONG else logging.INFO
        _log.log(level, "the wall clock is %s: %s", self.judgement.standing.word, self.judgement.why)

    def status(self) -> dict[str, Json]:
        """What people are told of it."""
        return {"standing": self.judgement.standing.word, "why": self.judgement.why}

    def problems(self) -> Sequence[str]:
        """Why stamps and schedules may not be right; nothing while they are."""
        wrong = self.judgement.standing is Standing.WRONG
        return [f"the wall clock is wrong: {self.judgement.why}"] if wrong else []


def _differ(told: int | None, now: int | None) -> bool:
    if told is None or now is None:
        return told is not now
    return abs(told - now) > _STEP
