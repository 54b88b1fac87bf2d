"""Which of the subjects that wait goes first: live alarms, then the urgent past, then the rest.

A subject's whole queue takes the lane of its most urgent event, because what is before that one has to
go before it. Three days of history never stand before a live alarm, and the rest is never starved: while
both wait it has every fifth send.

Whose attempt failed while its destination does not answer goes behind all the others, of whatever lane:
the next probe is another subject's event, and one that no receiver takes shows itself by others passing.

Rules for whoever changes this file: pure; instants are monotonic nanoseconds, passed in; whatever is
done for one subject costs the same with thousands of them.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final, TypeAlias

from agent.store.records import URGENT, Delivery

REST_EVERY: Final = 5
"""While both wait, at least every so manieth send is one of the rest."""

# Not a plain dict: finding the first of one that was shortened from the front takes longer and longer.
_Ring: TypeAlias = OrderedDict[str, None]


class Lane(IntEnum):
    """In the order in which they go."""

    LIVE = 0  # critical or high, made since the destination last recovered
    URGENT = 1  # critical or high, from before
    REST = 2


class Lanes:
    """Says which lane a delivery belongs to."""

    def __init__(self, boot: str, since: int, *, on: bool = True) -> None:
        """What was made in this `boot` at or after `since` is live; not `on`: all is the rest."""
        self.on: Final = on
        self._boot = boot
        self._since = since

    def of(self, delivery: Delivery) -> Lane:
        """The lane of one delivery. One that a person sends again is no live alarm."""
        stored = delivery.stored
        if stored.event.priority < URGENT or not self.on:
            return Lane.REST
        live = stored.event.at >= self._since and stored.boot == self._boot and not delivery.resent
        return Lane.LIVE if live else Lane.URGENT

    def recovered(self, now: int) -> None:
        """An outage is over: what was made so far is history."""
        self._since = now + 1


class Ready:
    """The subjects that wait for nothing but their turn; within a lane they take turns."""

    def __init__(self) -> None:
        self._promoted: _Ring = OrderedDict()
        self._lanes: tuple[_Ring, ...] = tuple(OrderedDict() for _ in Lane)
        self._tried: _Ring = OrderedDict()
        self._passed = 0

    def __bool__(self) -> bool:
        return any(self._lanes) or bool(self._tried or self._promoted)

    def add(self, subject: str, lane: Lane) -> None:
        """Put a subject behind the others of its lane."""
        self._lanes[lane][subject] = None

    def add_tried(self, subject: str) -> None:
        """Put a subject behind all the others: its attempt failed, and not for its own fault."""
        self._tried[subject] = None

    def discard(self, subject: str) -> bool:
        """Take a subject out; whether it was here."""
        for ring in (self._promoted, *self._lanes, self._tried):
            if subject in ring:
                del ring[subject]
                return True
        return False

    def change_lane(self, subject: str, before: Lane, after: Lane) -> None:
        """The subject belongs to another lane from now on; one that was tried stays behind all the others."""
        if subject in self._lanes[before]:
            del self._lanes[before][subject]
            self.add(subject, after)

    def promote(self, subject: str) -> None:
        """Let a subject be the next, if it is here."""
        if self.discard(subject):
            self._promoted[subject] = None
            self._promoted.move_to_end(subject, last=False)

    def recover(self, lane_of: Callable[[str], Lane]) -> None:
        """Those that were tried return to their lanes."""
        for subject in self._tried:
            self.add(subject, lane_of(subject))
        self._tried.clear()

    def rings(self) -> Sequence[_Ring]:
        """The subjects in the order in which they go now; whoever takes one takes the first of its ring."""
        live, urgent, rest = self._lanes
        if self._passed >= REST_EVERY - 1:
            return self._promoted, rest, live, urgent, self._tried
        return self._promoted, live, urgent, rest, self._tried

    def sent(self, lanes: Sequence[Lane]) -> None:
        """Subjects of these lanes go together in one request: whether it passed the rest over."""
        if Lane.REST in lanes:
            self._passed = 0
        elif self._lanes[Lane.REST]:
            self._passed += 1
