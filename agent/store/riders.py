"""Outcomes and checkpoints: they ride in the next transaction and are kept until one took them to disk."""

from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Final

from agent.store.records import Mark

# Bounds what a kill sends twice, the memory, and how long a live alarm waits behind outcomes (40 ms).
MARKS_A_TRANSACTION: Final = 10_000


class Riders:
    """What waits for a transaction to ride in."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._states: dict[str, bytes | None] = {}

    def __bool__(self) -> bool:
        return bool(self.marks or self._states)

    @property
    def transactions(self) -> int:
        """In how many of them all that waits now is on disk."""
        return max(ceil(len(self.marks) / MARKS_A_TRANSACTION), bool(self._states))

    def add(self, mark: Mark) -> bool:
        """Take an outcome along; True when there are enough of them to go at once."""
        self.marks.append(mark)
        return len(self.marks) >= MARKS_A_TRANSACTION

    def checkpoint(self, states: Mapping[str, bytes | None]) -> None:
        """Take rule state along; the newest of a key wins."""
        self._states.update(states)

    def take(self) -> tuple[list[Mark], dict[str, bytes | None]]:
        """What rides in the transaction that begins."""
        return self.marks[:MARKS_A_TRANSACTION], dict(self._states)

    def arrived(self, marks: list[Mark], states: Mapping[str, bytes | None]) -> None:
        """These are on disk; what came meanwhile stays."""
        del self.marks[: len(marks)]
        for key, state in states.items():
            if self._states.get(key) is state:
                del self._states[key]

    def disregard(self, wanted: Callable[[Mark], bool]) -> list[Mark]:
        """Take out the outcomes that are of no use any more; which they were."""
        out = [mark for mark in self.marks if wanted(mark)]
        if out:
            self.marks = [mark for mark in self.marks if not wanted(mark)]
        return out

    def forget(self, keys: Iterable[str]) -> None:
        """Leave out checkpoints that may be older than a step on disk, or build on one that fell."""
        for key in keys:
            self._states.pop(key, None)
