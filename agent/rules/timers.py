"""When rules want the clock: a heap of instants, one entry a rule at the most that counts.

An entry is checked against the rule's state when it comes up, so it may be early but never late.
Equal instants come up in the order in which rules are decided.
"""

from heapq import heappop, heappush

from agent.rules.inputs import FOREVER
from agent.rules.runs import Run


class Timers:
    """The instants at which rules must be stepped although nothing was seen."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Run]] = []
        self.next = FOREVER  # as `due`, without a call: it is asked for every reading

    @property
    def due(self) -> int | None:
        """The earliest instant; None if no rule waits."""
        return self._heap[0][0] if self._heap else None

    def schedule(self, run: Run) -> None:
        """Note when `run` wants the clock next, unless it is noted for as early already."""
        due = run.due()
        if due is not None and due < run.queued:
            run.queued = due
            heappush(self._heap, (due, run.index, run))
            self.next = min(self.next, due)

    def pop(self, now: int) -> tuple[int, Run] | None:
        """The next rule whose instant has come, and that instant."""
        while self._heap and self._heap[0][0] <= now:
            due, _, run = heappop(self._heap)
            self.next = self._heap[0][0] if self._heap else FOREVER
            if run.queued == due:
                run.queued = FOREVER
                return due, run
        return None

    def clear(self) -> None:
        """Forget all, to be scheduled anew."""
        for _, _, run in self._heap:
            run.queued = FOREVER
        self._heap.clear()
        self.next = FOREVER
