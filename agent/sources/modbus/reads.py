"""The blocks that read the tags of one unit and one period, as the device takes them.

A device that refuses one address of a block refuses the block. So a refused block is halved until the
address stands alone; what was learned holds for the next polls, and for the next sessions of the
same source: a device that is lost and comes back is not searched again. It is tried as a whole now and
then, ever more seldom, so that nothing stays lost that came back.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from agent.model import SECOND
from agent.sources.modbus.answer import NOT_THERE, Outcome, Refused, explain
from agent.sources.modbus.plan import Block


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

    def hasten(self, now: int) -> None:
        """Something happened that may have mended it: be no later than after a first failure."""
        if self._delay:
            self._delay = self._first
            self.due = min(self.due, now + self._first)


class Reads:
    """What reads some tags, and what of them is not there."""

    # A new attempt at a refused address costs a few requests, answered at once.
    RETEST: Final = (60 * SECOND, 600 * SECOND)

    def __init__(self, plan: Sequence[Block]) -> None:
        """Begin with the fewest blocks that read all tags."""
        self.refused: dict[str, str] = {}
        """Tags whose address the device refuses, and how it says so."""
        self.plan = tuple(plan)
        self._blocks = self.plan
        self._retest = Retry(*self.RETEST)

    @property
    def tags(self) -> Iterable[str]:
        """The names of all its tags."""
        return (point.tag for block in self.plan for point in block.points)

    @property
    def accepted(self) -> int:
        """How many of its tags the device accepts."""
        return sum(len(block.points) for block in self.plan) - len(self.refused)

    @property
    def first(self) -> Block:
        """A block to ask for, to see whether anybody answers."""
        return (self._blocks or self.plan)[0]

    def reconnected(self, now: int) -> None:
        """The device may have another program now: try the plan as it was somewhat sooner."""
        self._retest.hasten(now)

    async def read(
        self, ask: Callable[[Block], Awaitable[tuple[Outcome, bool]]], now: int
    ) -> tuple[list[tuple[Block, Outcome]], list[Block]]:
        """Read all blocks that are there; halve what is refused.

        Args:
            ask: reads a block; its outcome, and whether the unit goes on answering.
            now: monotonic nanoseconds.

        Returns:
            What came of each block that was asked, and the blocks that were not asked any more.
        """
        whole = self._blocks is self.plan or now >= self._retest.due
        refused = {} if whole else dict(self.refused)
        taken: list[tuple[Block, Outcome]] = []
        waiting = deque(self.plan if whole else self._blocks)
        goes_on = True
        while waiting and goes_on:
            block = waiting.popleft()
            outcome, goes_on = await ask(block)
            if not (isinstance(outcome, Refused) and outcome.code in NOT_THERE):
                taken.append((block, outcome))
            elif len(block.points) > 1:
                waiting.extendleft(reversed(block.halves()))
            else:
                refused[block.points[0].tag] = explain(block, outcome.code)
        self.refused = refused
        self._conclude((*(block for block, _ in taken), *waiting), now)
        return taken, list(waiting)

    def _conclude(self, blocks: tuple[Block, ...], now: int) -> None:
        """Say when to try the plan as it was again."""
        if list(blocks) == list(self.plan):
            self._blocks = self.plan
            self._retest.succeeded()
            return
        self._blocks = blocks
        if now >= self._retest.due:
            self._retest.failed(now)
