"""One device behind the connection: what it takes to read it, and how it fails alone.

Rules for whoever changes this file: an address that the device refuses harms only its own tag, and
silence only its own unit; both are tried again, ever more seldom, so that nothing stays lost that
came back. What is wrong goes out as each tag's reason; who runs the session tells it to the log.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from agent.clock import Clock
from agent.model import SECOND, Quality, Reading, bad
from agent.sources.modbus.answer import (
    NOT_THERE,
    UNREACHABLE,
    Data,
    Outcome,
    Refused,
    Silent,
    Wrong,
    explain,
)
from agent.sources.modbus.connection import Connection
from agent.sources.modbus.plan import Block

_GOOD, _BAD = Quality.GOOD, Quality.BAD  # looking a member up costs a tenth of making a reading


class Retry:
    """When to try again what failed: `first` nanoseconds later, then twice as long, up to `longest`."""

    def __init__(self, first: int, longest: int) -> None:
        self.due = 0
        self._first = first
        self._longest = longest
        self._delay = 0

    def failed(self, now: int) -> None:
        """It failed, once more."""
        self._delay = min(2 * self._delay, self._longest) or self._first
        self.due = now + self._delay

    def succeeded(self) -> None:
        """It is well: the next failure is a first one."""
        self._delay = self.due = 0


class Unit:
    """A unit id, the blocks that read its tags, and what is wrong with it."""

    # A probe of a silent unit costs the others one timeout: of 30 s at the most 1 s at the usual settings.
    _PROBE: Final = (2 * SECOND, 30 * SECOND)
    # A new attempt at a refused address costs a few requests, answered at once.
    _RETEST: Final = (60 * SECOND, 600 * SECOND)

    def __init__(self, number: int, plan: Sequence[Block], clock: Clock) -> None:
        """Prepare a unit that has not answered yet.

        Args:
            number: the unit id.
            plan: the blocks that read all its tags, as few as possible.
            clock: says when to try again what failed.
        """
        self.number = number
        self.silence = "not asked yet"
        """Why it does not answer; empty while it does."""
        self.probe = Retry(*self._PROBE)
        """When a silent unit is asked again."""
        self.refused: dict[str, str] = {}
        """Tags whose address the device refuses, and how it says so."""
        self._clock = clock
        self._plan = tuple(plan)
        self._blocks = self._plan
        self._retest = Retry(*self._RETEST)

    @property
    def tags(self) -> Iterable[str]:
        """The names of all its tags."""
        return (point.tag for block in self._plan for point in block.points)

    @property
    def alive(self) -> int:
        """How many of its tags the device accepts."""
        return 0 if self.silence else sum(len(block.points) for block in self._plan) - len(self.refused)

    async def prove(self, connection: Connection) -> None:
        """Ask it for something; afterwards `silence` is empty if it answered.

        Raises:
            SourceError: the connection is lost.
        """
        self._heard(await connection.read(self._plan[0], 1))

    async def read(self, connection: Connection, attempts: int) -> list[Reading]:
        """Read all its tags; where it falls silent, the rest of them is bad.

        Raises:
            SourceError: the connection is lost.
        """
        self._begin()
        readings: list[Reading] = []
        taken: list[Block] = []
        waiting = deque(self._blocks)
        while waiting and not self.silence:
            block = waiting.popleft()
            outcome = await connection.read(block, attempts)
            self._heard(outcome)
            if not (isinstance(outcome, Refused) and outcome.code in NOT_THERE):
                taken.append(block)
                readings += _readings(block, outcome, self._clock.monotonic())
            elif len(block.points) > 1:
                waiting.extendleft(reversed(block.halves()))
            else:
                self.refused[block.points[0].tag] = explain(block, outcome.code)
        self._blocks = (*taken, *waiting)
        self._conclude()
        now = self._clock.monotonic()
        readings += [bad(tag, now, reason) for tag, reason in self.refused.items()]
        return readings + [bad(point.tag, now, self.silence) for block in waiting for point in block.points]

    def silent_readings(self) -> list[Reading]:
        """All its tags, bad for its silence."""
        now = self._clock.monotonic()
        return [bad(tag, now, self.silence) for tag in self.tags]

    def _heard(self, outcome: Outcome) -> None:
        """Learn from an outcome whether the unit is there."""
        match outcome:
            case Silent(reason):
                self.silence = f"unit {self.number}: {reason}: check its power, its wiring, and unit_id"
            case Refused(code) if code in UNREACHABLE:
                self.silence = explain(self._plan[0], code)
            case Wrong(reason) if self.silence:  # proves nothing: it might be another device that answers
                self.silence = reason
            case _:
                self.silence = ""
        if self.silence:
            self.probe.failed(self._clock.monotonic())
        else:
            self.probe.succeeded()

    def _begin(self) -> None:
        """Forget now and then what was refused."""
        if self._blocks is not self._plan and self._clock.monotonic() >= self._retest.due:
            self._blocks = self._plan
            self.refused = {}

    def _conclude(self) -> None:
        """Say when to try the plan as it was again."""
        if list(self._blocks) == list(self._plan):
            self._blocks = self._plan
            self._retest.succeeded()
        elif (now := self._clock.monotonic()) >= self._retest.due:
            self._retest.failed(now)


def _readings(block: Block, outcome: Outcome, now: int) -> list[Reading]:
    """The block's tags by what came back for them."""
    match outcome:
        case Data(content, received):
            return [
                Reading(point.tag, value, _BAD if reason else _GOOD, received, reason)
                for point, (value, reason) in zip(block.points, block.decode(content), strict=True)
            ]
        case Refused(code):
            reason = explain(block, code)
        case Wrong(reason) | Silent(reason):
            pass
        case _:
            assert_never(outcome)
    return [bad(point.tag, now, reason) for point in block.points]
