"""History that arrives late, in a burst: a broker's queue, a device that was cut off and sends what it kept.

Reports of changes compare with all of it. Alarms are moved by the newest value of a tag alone, once nothing
newer has come for a second: what was true an hour ago raises nothing now (design: sources).

Rules for whoever changes it: the reading itself hangs on its tag, where a failed commit is undone; here
are instants only, and one too many does no harm.
"""

from heapq import heappop, heappush
from typing import Final

from agent.model import SECOND, Reading
from agent.rules.inputs import FOREVER, Tag

_OVER_AFTER: Final = SECOND
"""So long after the last of it a burst is over; a broker hands out its queue in milliseconds."""


class Bursts:
    """When the newest of what came late is to be looked at.

    Attributes:
        next: the earliest such instant; FOREVER if there is none.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self.next = FOREVER

    def note(self, late: Reading) -> None:
        """`late` is the newest of its tag."""
        heappush(self._heap, (_over(late), late.tag))
        self.next = self._heap[0][0]

    def pop(self, tags: dict[str, Tag]) -> tuple[Tag, Reading] | None:
        """The tag whose instant comes next, and its newest; None: another one has come since."""
        at, name = heappop(self._heap)
        self.next = self._heap[0][0] if self._heap else FOREVER
        tag = tags[name]
        newest = tag.state.newest
        return (tag, newest) if newest is not None and _over(newest) == at else None

    def begin_anew(self, tags: dict[str, Tag]) -> None:
        """The tags' states were replaced: note what hangs on them now."""
        self._heap.clear()
        self.next = FOREVER
        for tag in tags.values():
            if tag.state.newest is not None:
                self.note(tag.state.newest)


def _over(late: Reading) -> int:
    return late.received + _OVER_AFTER
