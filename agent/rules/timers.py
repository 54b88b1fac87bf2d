"""When rules want the clock: a heap of instants, one entry a rule at the most that counts.

An entry is checked against the rule's state when it comes up, so it may be early but never late.
Equal instants come up in the order in which rules are decided.
"""

from heapq import heappop, heappush

from agent.rules.inputs import FOREVER
from agent.rules.runs import Run


class Timers:
    """The instants at which rules must be stepped although nothing was seen.

    Attributes:
        next: the earliest instant; FOREVER if no rule waits.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Run]] = []
        self.next = FOREVER

    def schedule(self, run: Run) -> None:
        """Note when `run` wants the clock next, unless it is noted for as early already."""
        due = run.due()
        if due is not None and due < run.queued:
            run.queued = due
            heappush(self._heap, (due, run.index, run))
            self.next = min(self.next, due)

    def pop(self) -> Run:
        """The rule whose instant comes next."""
        _, _, run = heappop(self._heap)
        run.queued = FOREVER
        while self._heap and self._heap[0][0] != self._heap[0][2].queued:
            heappop(self._heap)  # it was noted for an earlier instant later on
        self.next = self._heap[0][0] if self._heap else FOREVER
        return run

    def clear(self) -> None:
        """Forget all, to be scheduled anew."""
        for _, _, run in self._heap:
            run.queued = FOREVER
        self._heap.clear()
        self.next = FOREVER
