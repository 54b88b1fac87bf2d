"""The blocks that read the tags of one unit and one period, as the device takes them.

A device that refuses one address of a block refuses the block. So a refused block is halved until the
address stands alone; what was learned holds for the next polls, and for the next sessions of the
same source: a device that is lost and comes back is not searched again. What was refused is tested now and
then, ever more seldom, so that nothing stays lost that came back; one request a second, since a search
takes two for each tag, and would keep the polls waiting for half a minute on a slow line.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias

from agent.model import SECOND
from agent.sources.modbus.answer import NOT_THERE, Data, Outcome, Refused, explain
from agent.sources.modbus.plan import Block

Ask: TypeAlias = Callable[[Block], Awaitable[tuple[Outcome, bool]]]


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

    RETEST: Final = (60 * SECOND, 600 * SECOND)

    def __init__(self, plan: Sequence[Block], period: int = SECOND) -> None:
        """Begin with the fewest blocks that read all tags.

        Args:
            plan: those blocks.
            period: nanoseconds between two reads.
        """
        self.refused: dict[str, str] = {}
        """Tags whose address the device refuses, and how it says so."""
        self.plan = tuple(plan)
        self._pieces: dict[Block, tuple[Block, ...]] = {whole: (whole,) for whole in self.plan}
        self._retest = Retry(*self.RETEST)
        self._tests: deque[tuple[Block, Block]] = deque()
        self._at_once = max(period // SECOND, 1)

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
        return next((piece for pieces in self._pieces.values() for piece in pieces), self.plan[0])

    def reconnected(self, now: int) -> None:
        """The device may have another program now: test somewhat sooner what it refused."""
        self._retest.hasten(now)

    async def read(self, ask: Ask, now: int) -> tuple[list[tuple[Block, Outcome]], list[Block]]:
        """Read all blocks that are there; halve what is refused.

        Args:
            ask: reads a block; its outcome, and whether the unit goes on answering.
            now: monotonic nanoseconds.

        Returns:
            What came of each block that was asked, and the blocks that were not asked any more.
        """
        goes_on = await self._test(ask, now)
        taken: list[tuple[Block, Outcome]] = []
        waiting: list[Block] = []
        for whole in self.plan:
            left = deque(self._pieces[whole])
            kept: list[Block] = []
            refused: dict[str, str] = {}
            while left and goes_on:
                block = left.popleft()
                outcome, goes_on = await ask(block)
                if (reason := _refusal(block, outcome)) is None:
                    taken.append((block, outcome))
                    kept.append(block)
                elif len(block.points) > 1:
                    left.extendleft(reversed(block.halves()))
                else:
                    refused[block.points[0].tag] = reason
            self._pieces[whole] = (*kept, *left)
            self.refused.update(refused)
            waiting += left
        self._arm(now)
        return taken, waiting

    async def _test(self, ask: Ask, now: int) -> bool:
        """Ask for some of what was refused, if it is time; whether the unit goes on answering."""
        if self._retest.due and now >= self._retest.due and not self._tests:
            self._tests.extend(self._suspects())
            self._retest.failed(now)
        for _ in range(self._at_once):
            if not self._tests:
                break
            whole, block = self._tests.popleft()
            outcome, goes_on = await ask(block)
            if not goes_on:
                return False
            if isinstance(outcome, Data):
                self._search_again(whole)
        return True

    def _suspects(self) -> Iterable[tuple[Block, Block]]:
        """What may be there again: blocks of the plan that are read in pieces, and addresses that were refused."""
        for whole, pieces in self._pieces.items():
            if pieces != (whole,):
                yield whole, whole
                yield from (
                    (whole, alone) for alone in whole.singles() if alone.points[0].tag in self.refused
                )

    def _search_again(self, whole: Block) -> None:
        self._pieces[whole] = (whole,)
        self._tests = deque(test for test in self._tests if test[0] is not whole)
        for point in whole.points:
            self.refused.pop(point.tag, None)

    def _arm(self, now: int) -> None:
        if all(pieces == (whole,) for whole, pieces in self._pieces.items()):
            self._retest.succeeded()
        elif not self._retest.due:
            self._retest.failed(now)


def _refusal(block: Block, outcome: Outcome) -> str | None:
    """How the device says that an address of the block is not there; None: it does not."""
    if isinstance(outcome, Refused) and outcome.code in NOT_THERE:
        return explain(block, outcome.code)
    return None
