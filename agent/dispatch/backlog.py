"""What one destination has still to take: the front of it in memory, the rest in the store.

While a destination keeps up, it is handed its events in memory and never reads the store. When
more wait than memory is meant for, it is *behind*: what comes is left in the store and read from
there in pages. A subject that floods (a chattering alarm behind a retrying event) may hold only
its share of memory, or it would hold up the others: the rest of it is *spilled* and read when its
share is done.

Rules for whoever changes this file: every pending delivery up to `_cursor` is in memory, or in a
spilled subject at or after the number noted for it; every one beyond `_cursor` is in the store.
That alone makes sure that each is sent, and sent once. The store's marks are not committed at
once, so no number that was in memory is read again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from agent.clock import Clock
from agent.dispatch.queue import Entry, SubjectQueues
from agent.errors import StoreUnavailable
from agent.stamps import Reckoning
from agent.store.records import Delivery, Mark, Stored

MEMORY: Final = 2_000
PAGE: Final = 200
_NOWHERE: Final = 1 << 63
_STORE_PAUSE: Final = 1.0  # seconds until a store that could not answer is asked again


class Stamps(Protocol):
    """What the stamps of an event are: fixed for a destination as soon as it may have seen them."""

    async def stamp(self, destination: str, stored: Stored) -> Reckoning:
        """Give what stamps the attempt that begins now, and every later one until an outcome is marked."""
        ...

    def unseen(self, destination: str, seq: int) -> None:
        """The attempt that was stamped last cannot have reached its receiver: the stamp is still free."""
        ...


class Outbox(Protocol):
    """What a destination needs of the store."""

    @property
    def stamps(self) -> Stamps:
        """Which stamp a delivery carries."""
        ...

    async def waiting(self, destination: str, after: int, limit: int) -> Sequence[Delivery]:
        """Give the first pending deliveries whose `seq` is greater than `after`, in order of `seq`.

        Raises:
            StoreUnavailable: the disk does not answer now.
        """
        ...

    def mark(self, mark: Mark) -> None:
        """Note an outcome; it is committed with the next transaction."""
        ...


class Backlog:
    """The deliveries of one destination. `read` must run for as long as it is used."""

    def __init__(
        self, destination: str, outbox: Outbox, clock: Clock, *, strict: bool, longest_wait: int
    ) -> None:
        """Begin with what the store has; `longest_wait` (ns) bounds what a stored due time can mean."""
        self.queue = SubjectQueues(strict=strict)
        self.behind = True
        """More may wait in the store than is in memory."""
        self._destination = destination
        self._outbox = outbox
        self._clock = clock
        self._longest_wait = longest_wait
        self._cursor = 0
        self._spilled: dict[str, int] = {}
        self._reading = False
        self._arrived: list[Delivery] = []
        self._missed = False
        self._wanted = asyncio.Event()

    def offer(self, delivery: Delivery) -> bool:
        """Take a delivery that was just committed; False: it is known already, or left in the store."""
        seq = delivery.stored.seq
        if self.behind and (seq > self._cursor or not delivery.resent):
            if seq > self._cursor:
                self._note_arrival(delivery)
            return False
        if delivery.resent:
            self._cursor = max(self._cursor, seq)
            return not self.queue.holds(delivery) and self._admit(delivery)
        if seq <= self._cursor:
            return False
        if len(self.queue) >= MEMORY:
            self.behind = True
            return False
        self._cursor = seq
        return self._admit(delivery)

    def settle(self, entries: Sequence[Entry]) -> None:
        """What was taken together is over."""
        self.queue.settle(entries, self._clock.monotonic())
        self.read_on()

    def read_on(self) -> None:
        """Some room was made in memory: read what it is for."""
        if (self.behind or self._spilled) and not self._wanted.is_set() and self._next_page() is not None:
            self._wanted.set()

    def others(self, delivery: Delivery) -> bool:
        """Whether another subject waits, or may wait, for this destination."""
        return self.behind or self.queue.others(self.queue.subject(delivery))

    async def read(self, on_page: Callable[[], None]) -> None:
        """Read from the store whatever memory has room for, until cancelled."""
        while True:
            self._wanted.clear()
            while (read_page := self._next_page()) is not None:
                try:
                    await read_page()
                except StoreUnavailable:
                    # The store itself says so, once; here only patience helps.
                    await asyncio.sleep(_STORE_PAUSE)
                on_page()
            await self._wanted.wait()

    def _next_page(self) -> Callable[[], Awaitable[None]] | None:
        """What is to be read now, if there is anything to read and room for it."""
        if len(self.queue) + PAGE > MEMORY:
            return None
        for subject in self._spilled:
            if self.queue.depth(subject) == 0:
                return partial(self._read_subject, subject)
        return self._read_on if self.behind else None

    async def _read_on(self) -> None:
        """Read the next page behind the cursor; the last one ends being behind."""
        self._reading, self._missed = True, False
        self._arrived.clear()
        try:
            page = await self._outbox.waiting(self._destination, self._cursor, PAGE)
        finally:
            self._reading = False
        for delivery in page:
            self._cursor = delivery.stored.seq
            self._admit(delivery)
        if len(page) < PAGE and not self._missed:
            self.behind = False
            for delivery in self._arrived:
                self.offer(delivery)

    def _note_arrival(self, delivery: Delivery) -> None:
        """Remember what came while a page was read: the page may be from before it."""
        if self._reading and len(self._arrived) < PAGE:
            self._arrived.append(delivery)
        else:
            self._missed = True

    async def _read_subject(self, subject: str) -> None:
        """Read the next of a spilled subject, whose share of memory is used up."""
        left = first = self._spilled[subject]
        self._spilled[subject] = _NOWHERE  # what is offered meanwhile lowers it again
        try:
            found = await self._find(subject, first)
            left = found[PAGE].stored.seq if len(found) > PAGE else _NOWHERE
        finally:
            left = min(left, self._spilled.pop(subject))
            if left < _NOWHERE:
                self._spilled[subject] = left
        for delivery in found:
            if delivery.stored.seq < left:
                self._add(delivery)

    async def _find(self, subject: str, first: int) -> list[Delivery]:
        """Give more than a page of a subject's deliveries from `first` to the cursor, or all there are."""
        found: list[Delivery] = []
        after = first - 1
        while len(found) <= PAGE and after < self._cursor:
            page = await self._outbox.waiting(self._destination, after, PAGE)
            found += [
                delivery
                for delivery in page
                if delivery.stored.seq <= self._cursor and self.queue.subject(delivery) == subject
            ]
            if len(page) < PAGE:
                break
            after = page[-1].stored.seq
        return found

    def _admit(self, delivery: Delivery) -> bool:
        """Put a delivery into memory unless its subject has its share there already."""
        subject = self.queue.subject(delivery)
        if subject in self._spilled or self.queue.depth(subject) >= PAGE:
            self._spilled[subject] = min(self._spilled.get(subject, _NOWHERE), delivery.stored.seq)
            return False
        self._add(delivery)
        return True

    def _add(self, delivery: Delivery) -> None:
        now, wait = self._clock.monotonic(), 0
        if delivery.due_wall:
            # The clock may have stepped by years since this was written: no wait beyond the longest is meant.
            wait = min(delivery.due_wall - self._clock.wall(), self._longest_wait)
        self.queue.add(Entry(delivery, not_before=now + wait), now)
