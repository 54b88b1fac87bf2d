"""Deliveries beside the usual way: dead letters, replays, and what goes to another destination after all.

    await store.letters.resend(Selection(destination="cmms"))

Rules for whoever changes this: the facade alone; what walks the rows stands beside it, in bites.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from agent.clock import Clock
from agent.store import dead_letters, fallback, queries, replay
from agent.store.counters import Counters
from agent.store.fallback import Wants
from agent.store.orders import Replay, Stretch, Tally, Walked
from agent.store.records import DeadLetter, Delivery, Listed, Selection, Stored
from agent.store.turns import Turns

WHOLE: Final = Stretch()


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

    async def event(self, seq: int) -> Listed | None:
        """One event with every attempt that is kept of its deliveries; None when there is none, or none any more."""
        await self._settle()
        return await queries.find_event(self._turns, self._counters.names, seq)

    async def tally(
        self, selection: Selection, stretch: Stretch = WHOLE
    ) -> tuple[dict[str, Tally], int | None]:
        """How many dead letters are meant, by destination; beside it the number to go on after."""
        await self._settle()
        return await dead_letters.tally(self._turns, self._counters, selection, stretch)

    async def resend(self, selection: Selection, stretch: Stretch = WHOLE) -> Walked:
        """Make dead letters pending again and hand them over."""
        await self._settle()
        return await dead_letters.resend(self._turns, self._counters, selection, stretch, self._hand_over)

    async def drop(self, selection: Selection, stretch: Stretch = WHOLE) -> Walked:
        """Give dead letters up for good."""
        await self._settle()
        at = self._clock.wall()
        return await dead_letters.drop(self._turns, self._counters, selection, stretch, at)

    async def replay_tally(
        self, wanted: Replay, stretch: Stretch = WHOLE
    ) -> tuple[dict[str, Tally], int | None]:
        """How much `replay` would send, by destination; beside it the number to go on after."""
        await self._settle()
        return await replay.tally(self._turns, self._counters, wanted, stretch)

    async def replay(self, wanted: Replay, stretch: Stretch = WHOLE) -> Walked:
        """Make delivered events pending again and hand them over."""
        await self._settle()
        return await replay.replay(self._turns, self._counters, wanted, stretch, self._hand_over)

    async def after_all_tally(
        self, to: str, wanted: Replay, wants: Wants, stretch: Stretch = WHOLE
    ) -> tuple[dict[str, Tally], int | None]:
        """How much `send_after_all` would send; beside it the number to go on after."""
        return await fallback.tally(self._turns, self._counters, to, wanted, wants, stretch)

    async def send_after_all(self, to: str, wanted: Replay, wants: Wants, stretch: Stretch = WHOLE) -> Walked:
        """Send a destination that `wants` them events that were never addressed to it."""
        return await fallback.send_after_all(
            self._turns, self._counters, to, wanted, wants, stretch, self._hand_over
        )

    async def fall_back(self, name: str, to: str, after: int, late: Callable[[Stored], bool]) -> Walked:
        """Address a bite of what waits for `name`, and is `late`, to `to` as well; see `fallback.fall_back`."""
        await self._settle()
        way = (name, to)
        return await fallback.fall_back(self._turns, self._counters, way, after, late, self._hand_over)

    def configure(self, names: Collection[str]) -> None:
        """Tell an open store, which no agent uses, which destinations are configured; nothing is written."""
        for name, counter in self._counters.destinations.items():
            counter.configured = name in names
