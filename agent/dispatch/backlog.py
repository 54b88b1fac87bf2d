"""What one destination has still to take: the front of it in memory, the rest in the store.

While a destination keeps up, it is handed its events in memory and never reads the store. When
more wait than memory is meant for, it is *behind*: what comes is left in the store and read from
there in pages. Three kinds of subjects do not wait for their page and are read *apart* (see there): one
with a live alarm, at once; one with a critical or high event of the past, before the rest; and one that
floods (a chattering alarm behind a retrying event), which holds its share of memory and no more.

Each lane has some of memory to itself: two thousand retrying events of low priority keep out no alarm,
and a flood of alarms does not starve the rest.

Rules for whoever changes this file: every pending delivery of a subject that is read apart is in memory,
or at or after the number noted for it; every one of another subject is in memory up to `_cursor`, and
in the store alone beyond it. That makes sure that each is sent, sent once, and in order within its
subject. What has its outcome is in no answer of the store, written or not: so only what is in memory
must not be read again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from agent.clock import Clock
from agent.dispatch.apart import EVERYTHING, Apart, SubjectsApart
from agent.dispatch.entry import Entry
from agent.dispatch.lanes import Lane, Lanes
from agent.dispatch.outbox import Outbox
from agent.dispatch.queue import SubjectQueues
from agent.dispatch.reads import Kind, Read, Reads
from agent.dispatch.room import Room
from agent.errors import StoreUnavailable
from agent.store.records import Delivery, Part

_STORE_PAUSE: Final = 1.0  # seconds until a store that could not answer is asked again


class Backlog:
    """The deliveries of one destination. `read` must run for as long as it is used."""

    def __init__(
        self,
        destination: str,
        outbox: Outbox,
        clock: Clock,
        *,
        longest_wait: int,
        strict: bool = False,
        lanes: bool = True,
        boot: str = "",
        room: Room | None = None,
    ) -> None:
        """Begin with what the store has; `longest_wait` (ns) bounds what a stored due time can mean."""
        self._lanes = Lanes(boot, clock.monotonic(), on=lanes and not strict)
        self.queue = SubjectQueues(self._lanes, strict=strict)
        self.behind = not strict
        """More may wait in the store than is in memory, beyond `_cursor`."""
        self._destination = destination
        self._outbox = outbox
        self._clock = clock
        self._longest_wait = longest_wait
        self._room = room or Room()
        self._strict = strict
        self._apart = SubjectsApart(self.queue, self._lanes)
        self._reads = Reads(self._room, self.queue, self._apart)
        self._cursor = 0
        self._searched: int | None = 0 if self._lanes.on else None
        self._reading = False
        self._arrived: list[Delivery] = []
        self._missed = False
        self._unannounced = 0
        self._wanted = asyncio.Event()
        if strict:
            self._apart.leave_all("")

    # --- what was just committed ---------------------------------------------------------------------------

    def offer(self, delivery: Delivery) -> bool:
        """Take a delivery that was just committed.

        True: it is in memory, or will be at once; False: it is known already, or left in the store.
        """
        seq, beyond = delivery.stored.seq, self.behind and delivery.stored.seq > self._cursor
        if beyond and delivery.resent:
            if self._reading:  # a page that may end behind it, from before it waited again
                self._leave(delivery)
            return False
        if self._apart and (apart := self._apart.get(self.queue.subject(delivery))) is not None:
            return self._offer_apart(delivery, apart)
        if beyond:
            return self._leave_beyond(delivery)
        if self.queue.holds(delivery) if delivery.resent else seq <= self._cursor:
            return False
        lane = self._lanes.of(delivery)
        pages = lane is Lane.REST and not delivery.resent and not self._strict
        if pages and self._room.left(self.queue, lane) <= 0:
            self.behind = True
            self._note_arrival(delivery)
            return False
        self._pass(seq)
        return self._admit(delivery, lane)

    def _offer_apart(self, delivery: Delivery, apart: Apart) -> bool:
        """Take one whose subject is read apart: behind what is unread of it."""
        seq = delivery.stored.seq
        if not self.behind:
            self._pass(seq)
        if self.queue.holds(delivery) if delivery.resent else seq <= apart.newest:
            return False
        lane = self._lanes.of(delivery)
        if not apart.unread and not apart.being_read:
            apart.newest = max(apart.newest, seq)
            return self._admit(delivery, lane)
        self._leave(delivery)
        return lane is Lane.LIVE

    def _leave_beyond(self, delivery: Delivery) -> bool:
        """Leave one in the store for its page, or, if it is urgent, have its subject read before that."""
        lane = self._lanes.of(delivery)
        if lane is Lane.REST:
            self._note_arrival(delivery)
            return False
        self._leave(delivery, self._cursor + 1)
        return lane is Lane.LIVE

    def _note_arrival(self, delivery: Delivery) -> None:
        """Remember what came while a page was read: the page may be from before it."""
        if self._reading and len(self._arrived) < self._room.page:
            self._arrived.append(delivery)
        else:
            self._missed = True

    def _pass(self, seq: int) -> None:
        self._cursor = max(self._cursor, seq)

    # --- what is over, and what is known of the destination --------------------------------------------------

    def settle(self, entries: Sequence[Entry]) -> None:
        """What was taken together is over."""
        self.queue.settle(entries, self._clock.monotonic())
        if self.behind or self._apart.unread:
            for entry in entries:
                self._apart.look_at(self.queue.subject(entry.delivery))
            self._wake()

    def read_on(self) -> None:
        """Some room was made in memory: read what it is for."""
        self._apart.look_at_all()
        self._wake()

    def recovered(self, *, history: bool) -> None:
        """An outage has ended; `history`: it was so long that what was made until now is no live alarm."""
        self.queue.recovered(self._clock.monotonic(), history=history)
        if history:
            self._apart.recovered()
        self._wake()

    def others(self, delivery: Delivery) -> bool:
        """Whether another subject waits, or may wait, for this destination."""
        subject = self.queue.subject(delivery)
        return self.behind or self.queue.others(subject) or self._apart.others(subject)

    # --- reading -----------------------------------------------------------------------------------------------

    async def read(self, on_page: Callable[[], None]) -> None:
        """Read from the store whatever memory has room for, until cancelled.

        `on_page` is called for a page's worth at a time, so that requests with several events are full ones;
        a live alarm is not kept back for it.
        """
        while True:
            self._wanted.clear()
            self._unannounced = 0
            while (read := self._next_read()) is not None:
                live = self._apart.due(Lane.LIVE)
                try:
                    await self._read(read)
                except StoreUnavailable:
                    # The store itself says so, once; here only patience helps.
                    await asyncio.sleep(_STORE_PAUSE)
                if live > self._apart.due(Lane.LIVE) == 0 or self._unannounced >= self._room.page:
                    self._unannounced = 0
                    on_page()
            on_page()
            await self._wanted.wait()

    def _wake(self) -> None:
        if not self._wanted.is_set() and self._next_read() is not None:
            self._wanted.set()

    def _next_read(self) -> Read | None:
        return self._reads.next(behind=self.behind, searching=self._searched is not None)

    async def _read(self, read: Read) -> None:
        self._reads.begin(read)
        match read.kind:
            case Kind.SUBJECT:
                await self._read_subject(*self._apart.first(read.lane), read.limit)
            case Kind.SEARCH:
                await self._search()
            case Kind.PAGE:
                await self._read_on()
            case _:
                assert_never(read.kind)

    async def _read_on(self) -> None:
        """Read the next page behind the cursor; the last one ends being behind."""
        self._reading, self._missed = True, False
        self._arrived.clear()
        try:
            page = await self._outbox.waiting(self._destination, self._cursor, self._room.page)
        finally:
            self._reading = False
        for delivery in page:
            self._pass(delivery.stored.seq)
            self._take_in(delivery)
        if len(page) < self._room.page and not self._missed:
            self.behind = False
            for delivery in self._arrived:
                self.offer(delivery)
            if not self.behind:
                self._pass(self._apart.release_all())

    async def _search(self) -> None:
        """Find the subjects of the next urgent ones that waited when this began; each is read apart."""
        after = max(self._searched or 0, self._cursor)
        page = await self._outbox.waiting(self._destination, after, self._room.page, Part.URGENT)
        self._searched = page[-1].stored.seq if len(page) == self._room.page else None
        for delivery in page:
            known = self._apart.get(self.queue.subject(delivery))
            if known is not None:
                self._apart.see(delivery, known)
            elif delivery.stored.seq > self._cursor and not delivery.resent:
                self._leave(delivery, self._cursor + 1, EVERYTHING)

    async def _read_subject(self, subject: str, apart: Apart, limit: int) -> None:
        """Read the next of a subject of which nothing is in memory."""
        part = Part.ALL if self._strict else Part.SUBJECT
        left, until = first, last = self._apart.begin(apart)
        page: Sequence[Delivery] = ()
        try:
            page = await self._outbox.waiting(self._destination, first - 1, limit, part, apart.name)
            ends = len(page) < limit or page[-1].stored.seq >= last
            left, until = (EVERYTHING, 0) if ends else (page[-1].stored.seq + 1, last)
        finally:
            self._apart.end(apart, left, until)
            for delivery in page:
                if self.queue.subject(delivery) != subject:
                    continue
                if delivery.stored.seq < apart.first:
                    apart.newest = max(apart.newest, delivery.stored.seq)
                    self._add(delivery)
                else:
                    # What was left to the store meanwhile has to go before it, or is it: then it is read again.
                    apart.until = max(apart.until, delivery.stored.seq)
            self._apart.look_at(subject)
        if not self.behind:
            self._pass(self._apart.release(subject))

    # --- into memory ---------------------------------------------------------------------------------------------

    def _take_in(self, delivery: Delivery) -> None:
        """Put one of a page into memory, unless its subject is read apart or has its share there already."""
        subject = self.queue.subject(delivery)
        apart = self._apart.get(subject)
        if apart is None:
            if self.queue.depth(subject) < self._room.page:
                self._add(delivery)
            else:
                self._leave(delivery, until=None if delivery.resent else EVERYTHING)
        elif not delivery.resent:
            self._apart.see(delivery, apart)
        elif not self.queue.holds(delivery):
            self._leave(delivery)

    def _admit(self, delivery: Delivery, lane: Lane) -> bool:
        """Put what was just committed into memory if there is room for its lane, and its subject has not its share."""
        share = self._room.memory if self._strict else self._room.page
        if self._room.left(self.queue, lane) > 0 and self.queue.depth(self.queue.subject(delivery)) < share:
            self._add(delivery)
            return True
        self._leave(delivery)
        return lane is Lane.LIVE

    def _leave(self, delivery: Delivery, first: int | None = None, until: int | None = None) -> None:
        """Leave a delivery in the store, to be read apart."""
        self._apart.leave(delivery, first, until)
        self._wake()

    def _add(self, delivery: Delivery) -> None:
        now, wait = self._clock.monotonic(), 0
        if delivery.due_wall:
            # The clock may have stepped by years since this was written: no wait beyond the longest is meant.
            wait = min(delivery.due_wall - self._clock.wall(), self._longest_wait)
        self._unannounced += 1
        self.queue.add(Entry(delivery, not_before=now + wait), now)
