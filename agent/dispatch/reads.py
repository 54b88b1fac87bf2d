"""Whose turn it is to be read from the store: what is most urgent, but so that nothing else waits for ever.

Rules for whoever changes this: it is asked after each delivery, and costs the same however much waits.
"""

from dataclasses import dataclass
from enum import Enum

from agent.dispatch.apart import SubjectsApart
from agent.dispatch.lanes import Lane
from agent.dispatch.queue import SubjectQueues
from agent.dispatch.room import Room


class Kind(Enum):
    """What is read next."""

    SUBJECT = "subject"  # of a subject that is read apart
    SEARCH = "search"  # the numbers of urgent ones, to find their subjects
    PAGE = "page"  # the next ones, whatever they are


@dataclass(frozen=True, slots=True)
class Read:
    """One read: of which lane, and how many at the most."""

    kind: Kind
    lane: Lane
    limit: int


class Reads:
    """See the module."""

    def __init__(self, room: Room, queue: SubjectQueues, apart: SubjectsApart) -> None:
        self._room = room
        self._queue = queue
        self._apart = apart
        self._page_next = False
        self._others_read = False
        self._read_apart = 0

    def next(self, *, behind: bool, searching: bool) -> Read | None:
        """What is to be read, if there is anything and room for it.

        `behind`: there are pages to be read; `searching`: not all urgent ones are found.
        """
        # Who sends as fast as it reads would never come to the rest: that is read in time, and no live alarm waits for it.
        hungry = self._others_read and self._queue.count(Lane.REST) < self._room.wanted(Lane.URGENT)
        for lane in (Lane.LIVE, Lane.REST, Lane.URGENT) if hungry else Lane:
            left, due = self._room.left(self._queue, lane), self._apart.due(lane)
            if left < self._room.wanted(lane):
                continue
            other, its_turn = None, False
            if lane is Lane.REST and behind:
                # They take turns: neither may use up the room that the other waits for.
                other, its_turn = Kind.PAGE, self._page_next
            elif lane is Lane.URGENT and searching:
                # Half as much is searched as is read: what is found is read once more.
                its_turn = self._read_apart >= 2 * self._room.page
                if its_turn or self._queue.count(lane) < self._room.own:
                    other = Kind.SEARCH
            if due and not (other and its_turn):
                return Read(Kind.SUBJECT, lane, self._room.part(left, due))
            if other:
                return Read(other, lane, self._room.page)
        return None

    def begin(self, read: Read) -> None:
        """It is being read."""
        self._page_next = read.kind is Kind.SUBJECT
        self._others_read = read.lane is not Lane.REST
        if read.kind is Kind.SEARCH:
            self._read_apart = 0
        elif read.kind is Kind.SUBJECT:
            self._read_apart += read.limit
