"""The subjects of one destination that are read from the store on their own, not page by page.

A subject is read apart when it must not wait for its page (a live alarm, the urgent past), or when it
would fill memory alone (a flood), or when there was no room for it. From then on no page is asked about
it: it is read apart wholly, until nothing of it is left and the pages have come past it.

Rules for whoever changes this file:
- A subject is read only while nothing of it is in memory. So it may be read again from any number below:
  what had an outcome is in no answer of the store, and nothing is taken twice.
- It grows with the subjects, of which the configuration bounds the number, never with the events.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from agent.dispatch.lanes import Lane, Lanes
from agent.dispatch.queue import SubjectQueues
from agent.store.records import Delivery

EVERYTHING: Final = (1 << 63) - 1
_NOTHING: Final = 0


@dataclass(slots=True)
class Apart:
    """One subject.

    Attributes:
        name: the subject as the store knows it.
        first: the lowest number of it that may be unread.
        until: the highest number of it that may be unread; below `first`: nothing is.
        newest: the highest number of it that was in memory.
        last: by lane, the highest number that is known to be unread.
        being_read: the store was asked, and has not answered.
    """

    name: str
    first: int = EVERYTHING
    until: int = _NOTHING
    newest: int = _NOTHING
    last: list[int] = field(default_factory=lambda: [_NOTHING] * len(Lane))
    being_read: bool = False

    @property
    def unread(self) -> bool:
        """Whether something of it may still be in the store alone."""
        return self.first <= self.until

    @property
    def lane(self) -> Lane:
        """The most urgent of what is unread."""
        return next((lane for lane in (Lane.LIVE, Lane.URGENT) if self.last[lane] >= self.first), Lane.REST)


class SubjectsApart:
    """See the module."""

    def __init__(self, queue: SubjectQueues, lanes: Lanes) -> None:
        self._queue = queue
        self._lanes = lanes
        self._known: dict[str, Apart] = {}
        self._unread: set[str] = set()
        self._due: tuple[OrderedDict[str, None], ...] = tuple(OrderedDict() for _ in Lane)

    def __bool__(self) -> bool:
        return bool(self._known)

    def get(self, subject: str) -> Apart | None:
        """What is known of a subject that is read apart; None: it is not."""
        return self._known.get(subject)

    @property
    def unread(self) -> int:
        """How many subjects have something unread."""
        return len(self._unread)

    def others(self, subject: str) -> bool:
        """Whether another subject has something unread."""
        return len(self._unread) > (subject in self._unread)

    def due(self, lane: Lane) -> int:
        """How many subjects of a lane want to be read now."""
        return len(self._due[lane])

    def first(self, lane: Lane) -> tuple[str, Apart]:
        """The one whose turn it is to be read; it goes behind the others when it was."""
        subject = next(iter(self._due[lane]))
        return subject, self._known[subject]

    def leave_all(self, subject: str) -> None:
        """Have all that there is of a subject read apart, from the beginning."""
        self._known[subject] = Apart(subject, first=1, until=EVERYTHING)
        self._note(subject, self._known[subject])

    def leave(self, delivery: Delivery, first: int | None = None, until: int | None = None) -> None:
        """Leave a delivery in the store, to be read apart; with it all of its subject from `first` to `until`."""
        subject, seq = self._queue.subject(delivery), delivery.stored.seq
        first = seq if first is None else first
        known = self._known.get(subject)
        if known is None:
            known = self._known[subject] = Apart(delivery.stored.event.subject, newest=first - 1)
        known.first = min(known.first, first)
        known.until = max(known.until, seq if until is None else until)
        lane = self._lanes.of(delivery)
        known.last[lane] = max(known.last[lane], seq)
        self._note(subject, known)

    def look_at(self, subject: str) -> None:
        """Some of a subject has left memory: it may be its turn to be read."""
        if subject in self._unread:
            self._note(subject, self._known[subject])

    def look_at_all(self) -> None:
        """The same, of whatever left memory."""
        for subject in list(self._unread):
            self._note(subject, self._known[subject])

    def see(self, delivery: Delivery, known: Apart) -> None:
        """A page has shown one that is read apart: it says how urgent what is unread of its subject is."""
        lane, seq = self._lanes.of(delivery), delivery.stored.seq
        if lane is not Lane.REST and known.unread and seq >= max(known.first, known.last[lane]):
            before, known.last[lane] = known.lane, seq
            if known.lane is not before:
                self._note(self._queue.subject(delivery), known)

    def begin(self, known: Apart) -> tuple[int, int]:
        """A subject is being read from here to there; what is left to the store meanwhile is told by `leave`."""
        span = known.first, known.until
        known.first, known.until, known.being_read = EVERYTHING, _NOTHING, True
        return span

    def end(self, known: Apart, first: int, until: int) -> None:
        """It was read; what is left of it is from here to there. `look_at` it when what was read is in memory."""
        known.being_read = False
        known.first, known.until = min(known.first, first), max(known.until, until)

    def release(self, subject: str) -> int:
        """Let go of a subject when all of it is read and no page will ask for it; its highest number in memory."""
        known = self._known[subject]
        if known.unread or known.being_read:
            return _NOTHING
        del self._known[subject]
        return known.newest

    def release_all(self) -> int:
        """Let go of all that are read, as above."""
        return max((self.release(subject) for subject in list(self._known)), default=_NOTHING)

    def recovered(self) -> None:
        """What was live is history now."""
        for subject in list(self._unread):
            last = self._known[subject].last
            last[Lane.URGENT] = max(last[Lane.URGENT], last[Lane.LIVE])
            last[Lane.LIVE] = _NOTHING
            self._note(subject, self._known[subject])

    def _note(self, subject: str, known: Apart) -> None:
        """Have it in its place among those that are unread, and among those that are due."""
        if known.being_read:
            return
        for due in self._due:
            due.pop(subject, None)
        lane = known.lane if known.unread else Lane.REST
        self._queue.expect(subject, lane)
        if not known.unread:
            self._unread.discard(subject)
            return
        self._unread.add(subject)
        if self._queue.depth(subject) == 0:
            self._due[lane][subject] = None
