"""One delivery in memory, and one subject that has some there."""

import sys
from collections import deque
from dataclasses import dataclass
from typing import Final

from agent.dispatch.lanes import Lane
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


class Subject:
    """One subject that has something in memory.

    Attributes:
        entries: what waits, in order; while some are under way together, they are the first.
        tally: how many of them belong to each lane by themselves.
        lane: the most urgent of these, or of what is still in the store.
        under_way: the first ones are being tried.
        failed: its last attempt failed, and not for its own fault.
        held_until: its own schedule; None: it is not held.
    """

    __slots__ = ("entries", "failed", "held_until", "lane", "tally", "under_way")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.tally = [0] * len(Lane)
        self.lane = Lane.REST
        self.under_way = False
        self.failed = False
        self.held_until: int | None = None

    def own_lane(self) -> Lane:
        """The most urgent one's of what is in memory."""
        live, urgent, _ = self.tally
        if live:
            return Lane.LIVE
        return Lane.URGENT if urgent else Lane.REST

    def front(self, now: int, most: int, others: int) -> list[Entry]:
        """The first that may go together, in one request with so many of other subjects."""
        front: list[Entry] = []
        for entry in self.entries:
            most = min(most, entry.company)
            if others + len(front) >= most or entry.not_before > now:
                break
            front.append(entry)
        return front
