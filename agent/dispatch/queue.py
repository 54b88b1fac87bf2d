"""The deliveries of one destination that are in memory, in order within their subject.

One delivery of a subject is under way at a time; a retrying one holds its subject, others pass it.
The subjects stand in lanes (see there), and take turns within one.

Rules for whoever changes this file: instants are monotonic nanoseconds; the time is passed in;
`take` and `settle` cost the same with one subject as with thousands.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from agent.dispatch.entry import Entry, Subject
from agent.dispatch.lanes import Lane, Lanes, Ready
from agent.store.records import Delivery


class SubjectQueues:
    """First in, first out within a subject; the subjects side by side, or (`strict`) all as one."""

    def __init__(self, lanes: Lanes, *, strict: bool = False) -> None:
        self.lanes: Final = lanes
        self._strict = strict
        self._subjects: dict[str, Subject] = {}
        self._ready = Ready()
        self._held: list[tuple[int, str]] = []  # may name subjects that are held no more
        self._expected: dict[str, Lane] = {}
        self._length = 0
        self._counts = [0] * len(Lane)

    def __len__(self) -> int:
        return self._length

    def subject(self, delivery: Delivery) -> str:
        """What the delivery is kept in order with. One that a person sent again must hold up no live one."""
        if self._strict:
            return ""
        subject = delivery.stored.event.subject
        return f"again:{subject}" if delivery.resent else subject

    def depth(self, subject: str) -> int:
        """How many wait in a subject."""
        known = self._subjects.get(subject)
        return 0 if known is None else len(known.entries)

    def count(self, lane: Lane) -> int:
        """How many wait in the subjects of a lane."""
        return self._counts[lane]

    def holds(self, delivery: Delivery) -> bool:
        """Whether this very delivery is in memory."""
        known = self._subjects.get(self.subject(delivery))
        return known is not None and any(entry.seq == delivery.stored.seq for entry in known.entries)

    def others(self, subject: str) -> bool:
        """Whether anything waits in another subject."""
        return len(self._subjects) > (subject in self._subjects)

    @property
    def ready(self) -> bool:
        """Whether a subject waits for nothing but its turn."""
        return bool(self._ready)

    def next_due(self) -> int | None:
        """When the next held subject may go on, monotonic; None if none is held."""
        while self._held and not self._is_held(*self._held[0]):
            heapq.heappop(self._held)
        return self._held[0][0] if self._held else None

    def add(self, entry: Entry, now: int) -> None:
        """Put a delivery behind the others of its subject."""
        name, lane = self.subject(entry.delivery), self.lanes.of(entry.delivery)
        known = self._subjects.get(name)
        self._length += 1
        if known is None:
            known = self._subjects[name] = Subject()
            known.lane = min(lane, self._expected.get(name, lane))
            self._counts[known.lane] += 1
            known.entries.append(entry)
            known.tally[lane] = 1
            self._schedule(name, known, now)
            return
        self._counts[known.lane] += 1
        known.entries.append(entry)
        known.tally[lane] += 1
        if lane < known.lane:
            self._sort(name, known)

    def expect(self, subject: str, lane: Lane) -> None:
        """The most urgent of what of a subject is still in the store; it has to wait for the others."""
        if lane is Lane.REST:
            self._expected.pop(subject, None)
        else:
            self._expected[subject] = lane
        if (known := self._subjects.get(subject)) is not None:
            self._sort(subject, known)

    def promote(self, delivery: Delivery) -> None:
        """Let the subject of a delivery be the next, if it is ready."""
        self._ready.promote(self.subject(delivery))

    def recovered(self, now: int, *, history: bool) -> None:
        """The destination takes events again; `history`: it was away for so long that what waits is no news."""
        if history:
            self.lanes.recovered(now)
        for name, known in self._subjects.items():
            known.failed = False
            if history:
                known.tally = [0] * len(Lane)
                for entry in known.entries:
                    known.tally[self.lanes.of(entry.delivery)] += 1
                self._sort(name, known)
        self._ready.recover(lambda name: self._subjects[name].lane)

    def hurry(self, now: int) -> None:
        """Let go on what waits for its own schedule: a person wants to see at once what comes of it."""
        for name, known in self._subjects.items():
            if known.held_until is not None:
                known.entries = deque(
                    replace(entry, not_before=min(entry.not_before, now)) for entry in known.entries
                )
                self._place(name, known)

    def take(self, now: int, most: int = 1) -> list[Entry]:
        """Give the next deliveries that may be tried together, at the most so many; none: nothing may be.

        Those of one subject stand in their order, and it rests until all of them came back, together, by
        `settle` or `put_back`. One lane is used up before the next one helps to fill the request.
        """
        while self._held and self._held[0][0] <= now:
            due, name = heapq.heappop(self._held)
            if self._is_held(due, name):
                self._place(name, self._subjects[name])
        taken: list[Entry] = []
        lanes: list[Lane] = []
        for ring in self._ready.rings():
            while ring and len(taken) < most:
                known = self._subjects[next(iter(ring))]
                together = known.front(now, most, len(taken))
                if not together:
                    break
                ring.popitem(last=False)
                known.under_way = True
                lanes.append(known.lane)
                taken += together
                for entry in together:
                    most = min(most, entry.company)
        if taken:
            self._ready.sent(lanes)
        return taken

    def put_back(self, entries: Sequence[Entry], now: int, *, failed: bool = False) -> None:
        """What was taken together is still to be delivered; `entries` says what is known of it now.

        `failed`: the destination did not take it, whatever was sent: the others go first until it recovers.
        """
        for name, group in self._by_subject(entries):
            known = self._subjects[name]
            for place, entry in enumerate(group):
                known.entries[place] = entry
            known.under_way = False
            known.failed = known.failed or failed
            self._schedule(name, known, now)

    def settle(self, entries: Sequence[Entry], now: int) -> None:
        """What was taken together is over; its subjects go on."""
        for name, group in self._by_subject(entries):
            known = self._subjects[name]
            for _ in group:
                self._drop_first(known)
            if not known.entries:
                del self._subjects[name]
                continue
            known.under_way = known.failed = False
            self._sort(name, known)
            self._schedule(name, known, now)

    def _by_subject(self, entries: Sequence[Entry]) -> Iterable[tuple[str, Iterable[Entry]]]:
        if len(entries) == 1:
            return ((self.subject(entries[0].delivery), entries),)
        return groupby(entries, lambda entry: self.subject(entry.delivery))

    def withdraw(self, over: Callable[[Entry], bool], now: int) -> list[Entry]:
        """Take out of every subject that is not under way what is `over`, wherever it stands."""
        gone: list[Entry] = []
        for name, known in list(self._subjects.items()):
            before = len(gone)
            for _ in range(0 if known.under_way else len(known.entries)):
                if over(known.entries[0]):
                    gone.append(self._drop_first(known))
                else:
                    known.entries.rotate(-1)
            if len(gone) > before:
                self._ready.discard(name)
                known.held_until = None
                if known.entries:
                    self._sort(name, known)
                    self._schedule(name, known, now)
                else:
                    del self._subjects[name]
        return gone

    def _drop_first(self, known: Subject) -> Entry:
        entry = known.entries.popleft()
        self._length -= 1
        self._counts[known.lane] -= 1
        if known.entries:
            known.tally[self.lanes.of(entry.delivery)] -= 1
        return entry

    def _sort(self, name: str, known: Subject) -> None:
        """Have the subject in the lane where it belongs by now."""
        before, after = known.lane, known.own_lane()
        if self._expected:
            after = min(after, self._expected.get(name, after))
        if after is not before:
            known.lane = after
            self._counts[before] -= len(known.entries)
            self._counts[after] += len(known.entries)
            self._ready.change_lane(name, before, after)

    def _schedule(self, name: str, known: Subject, now: int) -> None:
        not_before = known.entries[0].not_before
        if not_before > now:
            known.held_until = not_before
            heapq.heappush(self._held, (not_before, name))
        else:
            self._place(name, known)

    def _place(self, name: str, known: Subject) -> None:
        known.held_until = None
        if known.failed:
            self._ready.add_tried(name)
        else:
            self._ready.add(name, known.lane)

    def _is_held(self, due: int, name: str) -> bool:
        known = self._subjects.get(name)
        return known is not None and known.held_until == due
