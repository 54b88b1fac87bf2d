"""History that arrives late, in a burst: a broker's queue, a device that was cut off and sends what it kept.

Reports of changes compare with all of it. Alarms are moved by the newest value of a tag alone, once nothing
newer has come for a second: what was true an hour ago raises nothing now (design: sources).

What was handed over before is handed over again by a broker that did not hear that it arrived; its stamps are
not newer, and it is passed over. A device whose clock is set back does the same for as long as that, unless
somebody notices.

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


class Repetitions:
    """Tells what was handed over before from the values of a device whose clock was set back.

    Repetitions come at once, or in the same order again; three new stamps over ten seconds that keep
    pace with ours are neither.
    """

    _PACE: Final = 2 * SECOND
    _FOR: Final = 10 * SECOND
    _TIMES: Final = 3

    def __init__(self) -> None:
        self._doubted: dict[
            str, tuple[int, int, int, int]
        ] = {}  # received, its distance, newest stamp, times

    def passed_over(self, tag: Tag, reading: Reading) -> bool:
        """`reading` repeats what was taken before: its stamp is not newer."""
        stamp, known = reading.source_time, tag.state.last_time
        return (
            stamp is not None and known is not None and stamp <= known and not self._goes_on(reading, stamp)
        )

    def _goes_on(self, reading: Reading, stamp: int) -> bool:
        first, distance, newest, times = self._doubted.get(reading.tag, (0, 0, 0, 0))
        if times and stamp > newest and abs(reading.received - stamp - distance) <= self._PACE:
            times += 1
        else:
            first, distance, times = reading.received, reading.received - stamp, 1
        self._doubted[reading.tag] = (first, distance, stamp, times)
        if times < self._TIMES or reading.received - first < self._FOR:
            return False
        del self._doubted[reading.tag]
        return True


def _over(late: Reading) -> int:
    return late.received + _OVER_AFTER
