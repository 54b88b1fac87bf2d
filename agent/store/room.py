"""Keeps the store within its bounds: looks at its size, lets go of what is worth least, says so before and after.

    room = store.room
    room.limit, room.beside = lambda: 2_000_000_000, [samples]
    await room.run()

Rules for whoever changes this: nothing here is on the way of a commit; each look and each bite is a turn of its
own, and commits go between. Nothing is written while nothing changes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.metrics import STORE_EVICTED
from agent.model import SECOND, Event, Json
from agent.store import limits, notices
from agent.store.ballast import Ballast
from agent.store.counters import Counters
from agent.store.eviction import Eviction
from agent.store.gaps import Gap
from agent.store.limits import Usage
from agent.store.records import Addressed
from agent.store.turns import Turns
from agent.store.writer import Writer

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
# Between two looks so much of the room may be written, which is far less than what is left of it then.
_LOOK_AFTER: Final = 1 / 200
_LETTERS_EVERY: Final = 3600 * SECOND
_LEAST_SAMPLES: Final = 1_000_000
_SIZES: Final = (
    "SELECT page_size, page_count, freelist_count, (SELECT coalesce(min(seq), 0) FROM event) "
    "FROM pragma_page_size, pragma_page_count, pragma_freelist_count"
)
_DEFAULT: Final = 2_000_000_000


async def _nothing(_: int | None) -> None:
    """There are no samples to give up."""


class Room:
    """See the module.

    Attributes:
        limit: how many bytes the store may take; asked at every look.
        beside: further files that count: the recorded samples.
        mint: a new event id for an instant; set by whoever wires the house, like the next three.
        address: to whom an event goes.
        tell: takes an event of the store that need not be on disk yet.
        shrink: keeps the recorded samples within so many bytes; None: as the configuration says.
        usage: the store as it was last looked at; None before the first look.
        filling: undelivered events take most of the room, and this was told.
    """

    def __init__(self, turns: Turns, counters: Counters, writer: Writer, clock: Clock) -> None:
        self.limit: Callable[[], int] = lambda: _DEFAULT
        self.beside: Sequence[Path] = ()
        self.mint: Callable[[int], str] = lambda at: f"evt_{at}"
        self.address: Callable[[Event], Addressed] = lambda event: Addressed(event, ())
        self.tell: Callable[[Event], None] = lambda _: None
        self.shrink: Callable[[int | None], Awaitable[None]] = _nothing
        self.usage: Usage | None = None
        self.filling = False
        self.ballast: Final = Ballast(turns.path.with_name(turns.path.name + ".ballast"))
        self._turns = turns
        self._counters = counters
        self._clock = clock
        self._writer = writer
        self._eviction = Eviction(turns, counters, writer, clock, self._declare)
        self._shrunk = False
        self._said = self._exhausted = False
        self._letters_after = 0
        self._letters_again = clock.monotonic()
        self._written = 0
        self._wanted = asyncio.Event()
        writer.on_written = self._note_written
        writer.make_room = self._make_room

    async def run(self) -> None:
        """Keep the bounds until cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self.keep()
            except StoreUnavailable as error:
                _log.debug("the store's size cannot be seen to now: %s", error)
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def keep(self) -> None:
        """Look, and let go of what is too much.

        Raises:
            StoreUnavailable: the disk does not take it now; what was done is done.
        """
        if self._writer.unavailable is None:
            await self.ballast.take(limits.ballast_for(self.limit()))
        usage = await self.look()
        while usage.share > limits.FILLING or self.ballast.spent:
            if await self._turns.run(self._eviction.settled) is None:
                break
            usage = await self.look()
        self._judge(usage)
        if usage.share > limits.FULL:
            usage = await self._give_up(usage)
        elif self._shrunk and usage.share < limits.RELAXED:
            self._shrunk = False
            await self.shrink(None)

    async def look(self) -> Usage:
        """How much is used now.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        self._written = 0

        async def read() -> tuple[int, int, int, int]:
            return tuple(*await self._turns.connection.execute_fetchall(_SIZES))

        size, count, free, first = await self._turns.run(read)
        limit, samples = self.limit(), sum(path.stat().st_size for path in self.beside if path.exists())
        self.usage = Usage(limit, count * size, (count - free) * size, samples, first, self._counters.seq)
        return self.usage

    # --- what follows from it -----------------------------------------------------------------------------

    def _judge(self, usage: Usage) -> None:
        """Nothing that is delivered is left by now where it matters: what is used is undelivered."""
        if usage.share < limits.RELAXED:
            self.filling = False
        elif usage.share > limits.FILLING and not self.filling:
            self.filling = True
            holders = self._counters.destinations.items()
            name, counter = max(holders, key=lambda each: each[1].waiting + each[1].dead, default=("", None))
            most = None if counter is None else (name, counter.waiting + counter.dead)
            event = notices.filling(usage.used, usage.room, most, self._clock.monotonic(), self.mint)
            _log.warning("%s", event.data["message"])
            self.tell(event)

    async def _give_up(self, usage: Usage) -> Usage:
        usage = await self._shrink_samples(usage)
        usage = await self._give_up_letters(usage)
        while usage.share > limits.ENOUGH:
            gone = await self._turns.run(partial(self._eviction.owed, usage.surplus))
            if gone is None:
                if not self._exhausted:
                    _log.error(
                        "the store is larger than store.max_size, and nothing is left that may be given up: raise it, or see that destinations take what waits"
                    )
                self._exhausted = True
                break
            self._exhausted = False
            STORE_EVICTED.inc(gone)
            usage = await self.look()
        return usage

    async def _shrink_samples(self, usage: Usage) -> Usage:
        while usage.share > limits.ENOUGH and usage.samples > _LEAST_SAMPLES:
            self._shrunk = True
            before = usage.samples
            await self.shrink(max(_LEAST_SAMPLES, before // 2))
            usage = await self.look()
            if usage.samples >= before:
                break
        return usage

    async def _give_up_letters(self, usage: Usage) -> Usage:
        if self._clock.monotonic() < self._letters_again:
            return usage
        while usage.share > limits.ENOUGH:
            found = await self._turns.run(partial(self._eviction.old_letters, self._letters_after))
            if found is None:
                self._letters_after = 0
                self._letters_again = self._clock.monotonic() + _LETTERS_EVERY
                break
            self._letters_after, gone = found
            STORE_EVICTED.inc(gone)
            usage = await self.look()
        return usage

    def _declare(self, gap: Gap) -> Addressed:
        event = notices.overflow(gap, self.limit(), self._clock.monotonic(), self.mint)
        if not self._said:
            _log.error("%s", event.data["message"])
        self._said = True
        return self.address(event)

    async def _make_room(self) -> bool:
        """The disk is full: what is delivered goes at once, while the ballast lets it be deleted."""
        self._wanted.set()
        return await self.ballast.release()

    def _note_written(self, size: int) -> None:
        self._written += size
        if self.usage is not None and self._written > self.usage.room * _LOOK_AFTER:
            self._wanted.set()

    # --- what people are told -------------------------------------------------------------------------------

    def status(self) -> dict[str, Json]:
        """Size, limit, and what was given up."""
        usage = self.usage
        if usage is None:
            return {"limit": self.limit()}
        owed = sum(counter.waiting + counter.dead for counter in self._counters.destinations.values())
        undelivered = min(usage.used, usage.undelivered(owed))
        return {
            "size": usage.file,
            "used": usage.used,
            "limit": usage.limit,
            "room": usage.room,
            "undelivered_share": round(undelivered / usage.room, 3),
            "filling": self.filling,
            "lost": {
                name: counter.lost for name, counter in self._counters.destinations.items() if counter.lost
            },
            "ballast": self.ballast.held,
        }
