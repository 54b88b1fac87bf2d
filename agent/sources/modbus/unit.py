"""One device behind the connection: what it takes to read it, and how it fails alone.

Rules for whoever changes this file: an address that the device refuses harms only its own tag, and
silence only its own unit; both are tried again, ever more seldom, so that nothing stays lost that
came back. What is wrong goes out as each tag's reason; who runs the session tells it to the log.
"""

from collections.abc import Iterable, Mapping
from typing import Final, assert_never

from agent.clock import Clock
from agent.model import SECOND, Quality, Reading, bad
from agent.sources.modbus.answer import UNREACHABLE, Data, Outcome, Refused, Silent, Wrong, explain
from agent.sources.modbus.connection import Connection
from agent.sources.modbus.plan import Block
from agent.sources.modbus.reads import Reads, Retry

_GOOD, _BAD = Quality.GOOD, Quality.BAD  # looking a member up costs a tenth of making a reading


class Unit:
    """A unit id, what reads its tags, by period, and what is wrong with it."""

    # A probe of a silent unit costs the others one timeout: of 30 s at the most 1 s at the usual settings.
    _PROBE: Final = (2 * SECOND, 30 * SECOND)

    def __init__(self, number: int, reads: Mapping[int, Reads], clock: Clock) -> None:
        """Prepare a unit that has not answered yet.

        Args:
            number: the unit id.
            reads: what is read of it, by period in nanoseconds; at least one.
            clock: says when to try again what failed.
        """
        self.number = number
        self.silence = "not asked yet"
        """Why it does not answer; empty while it does."""
        self.probe = Retry(*self._PROBE)
        """When a silent unit is asked again."""
        self._clock = clock
        self._reads = reads
        for each in reads.values():
            each.reconnected(clock.monotonic())

    def tags(self, period: int) -> Iterable[str]:
        """The names of its tags that are read so often."""
        return self._reads[period].tags if period in self._reads else ()

    @property
    def alive(self) -> int:
        """How many of its tags the device accepts."""
        return 0 if self.silence else sum(reads.accepted for reads in self._reads.values())

    async def prove(self, connection: Connection) -> None:
        """Ask it for something; afterwards `silence` is empty if it answered.

        Raises:
            SourceError: the connection is lost.
        """
        block = next(iter(self._reads.values())).first
        self._heard(block, await connection.read(block, 1))

    async def read(self, period: int, connection: Connection, attempts: int) -> list[Reading]:
        """Read its tags of one period; where it falls silent, the rest of them is bad.

        Raises:
            SourceError: the connection is lost.
        """
        reads = self._reads.get(period)
        if reads is None:
            return []

        async def ask(block: Block) -> tuple[Outcome, bool]:
            outcome = await connection.read(block, attempts)
            self._heard(block, outcome)
            return outcome, not self.silence

        taken, waiting = await reads.read(ask, self._clock.monotonic())
        now = self._clock.monotonic()
        found: list[Reading] = []
        for block, outcome in taken:
            found += readings(block, outcome, now)
        found += [bad(tag, now, reason) for tag, reason in reads.refused.items()]
        return found + [bad(point.tag, now, self.silence) for block in waiting for point in block.points]

    def silent_readings(self, period: int) -> list[Reading]:
        """Its tags of one period, bad for its silence."""
        now = self._clock.monotonic()
        return [bad(tag, now, self.silence) for tag in self.tags(period)]

    def _heard(self, block: Block, outcome: Outcome) -> None:
        """Learn from an outcome whether the unit is there."""
        match outcome:
            case Silent(reason):
                self.silence = f"unit {self.number}: {reason}: check its power, its wiring, and unit_id"
            case Refused(code) if code in UNREACHABLE:
                self.silence = explain(block, code)
            case Wrong(reason) if self.silence:  # proves nothing: it might be another device that answers
                self.silence = reason
            case _:
                self.silence = ""
        if self.silence:
            self.probe.failed(self._clock.monotonic())
        else:
            self.probe.succeeded()


def readings(block: Block, outcome: Outcome, now: int) -> list[Reading]:
    """The block's tags by what came back for them; `now`, monotonic nanoseconds, where nothing did."""
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
