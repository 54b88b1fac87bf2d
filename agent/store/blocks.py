"""Where in the store something may be that can be given up: by blocks of numbers, not by rows.

What to give up next has to be found without an index, which each commit would pay for, and without
reading a store of millions of rows again and again. So each block of numbers is noted for what came
into it, visited once for it, and noted again only when something in it changed.

Rules: a note too many costs one visit, a note too few hides what could go; so whoever changes a row
notes its block. Pure; a block of five million events is a few bytes here.
"""

from enum import IntEnum
from typing import Final

from agent.model import Priority

SIZE: Final = 256


class Worth(IntEnum):
    """What goes first when room is needed, in this order."""

    SETTLED = 0
    JOURNAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5

    @classmethod
    def of(cls, priority: Priority) -> "Worth":
        """What an event of this priority is worth while somebody waits for it."""
        return cls[priority.name]


class Blocks:
    """Which blocks to visit for what, the oldest first."""

    def __init__(self, first: int = 0, last: int = -1) -> None:
        """Begin with a store of these numbers, of which nothing is known: anything may be anywhere."""
        self._end = last // SIZE
        self._unknown = dict.fromkeys(Worth, first // SIZE)
        self._noted: dict[Worth, set[int]] = {worth: set() for worth in Worth}

    def note(self, seq: int, worth: Worth) -> None:
        """Something of this worth is, or may be, in the block of this number."""
        self._noted[worth].add(seq // SIZE)

    def take(self, worth: Worth) -> range | None:
        """The numbers of the oldest block that may hold something of this worth; it is noted no more."""
        noted, unknown = self._noted[worth], self._unknown[worth]
        block = min(noted, default=None)
        if unknown <= self._end and (block is None or unknown <= block):
            block = unknown
            self._unknown[worth] += 1
        if block is None:
            return None
        noted.discard(block)
        return range(block * SIZE, (block + 1) * SIZE)
