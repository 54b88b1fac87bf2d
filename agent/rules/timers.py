"""When rules want the clock: a heap of instants, one entry a rule at the most that counts.

An entry is checked against the rule's state when it comes up, so it may be early but never late.
Equal instants come up in the order in which rules are decided.

Rules for whoever changes it: entries that an earlier one overtook are swept out before they are more
than the others, or a rule with a far reminder and short delays would fill the heap for days.
"""

from heapq import heapify, heappop, heappush
from typing import Final

from agent.rules.inputs import FOREVER
from agent.rules.runs import Run

_FEW: Final = 64


class Timers:
    """The instants at which rules must be stepped although nothing was seen.

    Attributes:
        next: the earliest instant; FOREVER if no rule waits.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Run]] = []
        self._most = _FEW
        self.next = FOREVER

    def schedule(self, run: Run) -> None:
        """Note when `run` wants the clock next, unless it is noted for as early already."""
        due = run.due()
        if due is not None and due < run.queued:
            run.queued = due
            heappush(self._heap, (due, run.index, run))
            self.next = min(self.next, due)
            if len(self._heap) > self._most:
                self._sweep()

    def pop(self) -> Run:
        """The rule whose instant comes next."""
        _, _, run = heappop(self._heap)
        run.queued = FOREVER
        while self._heap and self._heap[0][0] != self._heap[0][2].queued:
            heappop(self._heap)  # it was noted for an earlier instant later on
        self.next = self._heap[0][0] if self._heap else FOREVER
        return run

    def _sweep(self) -> None:
        """Keep one entry a rule: the one that counts."""
        self._heap = list({run: (due, at, run) for due, at, run in self._heap if due == run.queued}.values())
        heapify(self._heap)
        self._most = max(_FEW, 2 * len(self._heap))

    def clear(self) -> None:
        """Forget all, to be scheduled anew."""
        for _, _, run in self._heap:
            run.queued = FOREVER
        self._heap.clear()
        self.next = FOREVER
