"""The deliveries of one destination that are in memory, in order within their subject.

One delivery of a subject is under way at a time; a retrying one holds its subject, others pass it.
Subjects take turns, so the one that was just tried goes behind all the others (the back-off's
probes rely on it: "the next other subject's event").

Rules for whoever changes this file: instants are monotonic nanoseconds; the time is passed in;
`take` and `settle` cost the same with one subject as with thousands.
"""

import heapq
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from agent.store.records import Delivery

ALL: Final = sys.maxsize


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery in memory, and what its attempts in this process taught.

    Attributes:
        delivery: as the store has it; its `charged` is kept up to date.
        not_before: its own schedule, monotonic.
        passed_at: how many events the destination had taken when the previous attempt ended;
            None: not tried in this process.
        counts_from: when it was first tried in this process or last charged, monotonic.
        company: how many may go in one request with it, itself among them; a refused batch is split.
    """

    delivery: Delivery
    not_before: int = 0
    passed_at: int | None = None
    counts_from: int = 0
    company: int = ALL

    @property
    def seq(self) -> int:
        """The event's number."""
        return self.delivery.stored.seq


class SubjectQueues:
    """First in, first out within a subject; the subjects side by side, or (`strict`) all as one."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._queues: dict[str, deque[Entry]] = {}
        self._ready: deque[str] = deque()
        self._held: list[tuple[int, str]] = []
        self._under_way: set[str] = set()
        self._length = 0

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
        return len(self._queues.get(subject, ()))

    def holds(self, delivery: Delivery) -> bool:
        """Whether this very delivery is in memory."""
        waiting = self._queues.get(self.subject(delivery), ())
        return any(entry.seq == delivery.stored.seq for entry in waiting)

    def others(self, subject: str) -> bool:
        """Whether anything waits in another subject."""
        return len(self._queues) > (subject in self._queues)

    @property
    def ready(self) -> bool:
        """Whether a subject waits for nothing but its turn."""
        return bool(self._ready)

    def oldest(self) -> Delivery | None:
        """The delivery with the lowest number."""
        heads = (queue[0] for queue in self._queues.values())
        entry = min(heads, key=lambda entry: entry.seq, default=None)
        return None if entry is None else entry.delivery

    def next_due(self) -> int | None:
        """When the next held subject may go on, monotonic; None if none is held."""
        return self._held[0][0] if self._held else None

    def add(self, entry: Entry, now: int) -> None:
        """Put a delivery behind the others of its subject."""
        self._length += 1
        subject = self.subject(entry.delivery)
        if queue := self._queues.get(subject):
            queue.append(entry)
        else:
            self._queues[subject] = deque((entry,))
            self._schedule(subject, now)

    def promote(self, delivery: Delivery) -> None:
        """Let the subject of a delivery be the next, if it is ready."""
        subject = self.subject(delivery)
        if subject in self._ready:
            self._ready.remove(subject)
            self._ready.appendleft(subject)

    def take(self, now: int, most: int = 1) -> list[Entry]:
        """Give the next deliveries that may be tried together, at the most so many; none: nothing may be.

        Those of one subject stand in their order, and it rests until all of them came back, together, by
        `settle` or `put_back`.
        """
        while self._held and self._held[0][0] <= now:
            self._ready.append(heapq.heappop(self._held)[1])
        taken: list[Entry] = []
        while self._ready:
            together = self._front(self._ready[0], now, most, len(taken))
            if not together:
                break
            self._under_way.add(self._ready.popleft())
            taken += together
            most = min(most, *(entry.company for entry in together))
        return taken

    def _front(self, subject: str, now: int, most: int, others: int) -> list[Entry]:
        """The first of a subject that may go with so many others."""
        front: list[Entry] = []
        for entry in self._queues[subject]:
            most = min(most, entry.company)
            if others + len(front) >= most or entry.not_before > now:
                break
            front.append(entry)
        return front

    def put_back(self, entries: Sequence[Entry], now: int) -> None:
        """What was taken together is still to be delivered; `entries` says what is known of it now."""
        for subject, group in groupby(entries, lambda entry: self.subject(entry.delivery)):
            queue = self._queues[subject]
            for place, entry in enumerate(group):
                queue[place] = entry
            self._under_way.discard(subject)
            self._schedule(subject, now)

    def settle(self, entries: Sequence[Entry], now: int) -> None:
        """What was taken together is over; its subjects go on."""
        for subject, group in groupby(entries, lambda entry: self.subject(entry.delivery)):
            queue = self._queues[subject]
            for _ in group:
                queue.popleft()
                self._length -= 1
            self._under_way.discard(subject)
            if queue:
                self._schedule(subject, now)
            else:
                del self._queues[subject]

    def withdraw(self, over: Callable[[Entry], bool], now: int) -> list[Entry]:
        """Take out, from the front of every subject that is not under way, what is `over`."""
        gone: list[Entry] = []
        for subject in [each for each in self._queues if each not in self._under_way]:
            queue = self._queues[subject]
            before = len(gone)
            while queue and over(queue[0]):
                gone.append(queue.popleft())
            if len(gone) > before:
                self._unschedule(subject)
                if queue:
                    self._schedule(subject, now)
                else:
                    del self._queues[subject]
        self._length -= len(gone)
        return gone

    def _unschedule(self, subject: str) -> None:
        if subject in self._ready:
            self._ready.remove(subject)
        else:
            self._held = [(due, other) for due, other in self._held if other != subject]
            heapq.heapify(self._held)

    def _schedule(self, subject: str, now: int) -> None:
        not_before = self._queues[subject][0].not_before
        if not_before > now:
            heapq.heappush(self._held, (not_before, subject))
        else:
            self._ready.append(subject)
