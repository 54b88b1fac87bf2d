"""How much of what waits is kept in memory, and how much of that is for whom."""

from dataclasses import dataclass
from typing import Final

from agent.dispatch.lanes import Lane
from agent.dispatch.queue import SubjectQueues

MEMORY: Final = 2_000
PAGE: Final = 200
_OWN: Final = 5  # each lane has one part in so many of memory to itself
_AT_ONCE: Final = (
    4  # so many subjects that are read apart share a page: fewer reads, and enough to send side by side
)


@dataclass(frozen=True, slots=True)
class Room:
    """What memory has room for.

    Attributes:
        memory: the most deliveries of a destination in memory.
        page: the most that are read at once; also what a subject may hold, and a lane's own part at the least.
    """

    memory: int = MEMORY
    page: int = PAGE

    @property
    def own(self) -> int:
        """What each lane has to itself."""
        return self.memory // _OWN

    def left(self, queue: SubjectQueues, lane: Lane) -> int:
        """How many more deliveries of a lane there is room for; in plain order (one lane) all that is left."""
        left, own = self.memory - len(queue), self.own
        if not queue.lanes.on:
            return left
        least = left - own * (len(Lane) - 1)
        if least >= self.page:
            return least
        return left - sum(max(0, own - queue.count(other)) for other in Lane if other is not lane)

    def wanted(self, lane: Lane) -> int:
        """How much must be left until it is worth reading: a page, or what is urgent of one subject."""
        return self.page if lane is Lane.REST else max(1, self.page // _AT_ONCE)

    def part(self, left: int, subjects: int) -> int:
        """How much is read of one of so many subjects that want to be read."""
        return min(left, max(self.page // subjects, self.page // _AT_ONCE, 1))
