"""Deliveries by hand: what is dead is listed, sent again or dropped; what was delivered is replayed.

    await store.letters.resend(Selection(destination="cmms"))

Rules for whoever changes this: the facade alone; what walks the rows stands beside it, in bites.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from agent.clock import Clock
from agent.store import dead_letters
from agent.store.counters import Counters
from agent.store.records import DeadLetter, Delivery, Selection
from agent.store.turns import Turns


class Letters:
    """See the module. Every coroutine raises like those of `Store`."""

    def __init__(
        self,
        turns: Turns,
        counters: Counters,
        clock: Clock,
        *,
        settle: Callable[[], Awaitable[object]],
        hand_over: Callable[[Sequence[Delivery]], None],
    ) -> None:
        """Work over an open store; `settle` writes the outcomes so far, `hand_over` takes what waits again."""
        self._turns: Final = turns
        self._counters: Final = counters
        self._clock = clock
        self._settle = settle
        self._hand_over = hand_over

    async def dead(self, selection: Selection, limit: int) -> list[DeadLetter]:
        """The newest letters of the selection, newest last, without their attempts."""
        await self._settle()
        return await dead_letters.find_dead(self._turns, self._counters, selection, limit)

    async def one(self, destination: str, seq: int) -> DeadLetter | None:
        """One letter with every attempt that is kept; None when there is none."""
        await self._settle()
        return await dead_letters.find_letter(self._turns, self._counters, destination, seq)

    async def resend(self, selection: Selection) -> int:
        """Make dead letters pending again and hand them over; how many."""
        await self._settle()
        return await dead_letters.resend(self._turns, self._counters, selection, self._hand_over)

    async def drop(self, selection: Selection) -> int:
        """Give dead letters up for good; how many."""
        await self._settle()
        return await dead_letters.drop(self._turns, self._counters, selection, self._clock.wall())
