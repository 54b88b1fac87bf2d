"""How much room the store has, how much is used, and what follows from it. Pure.

Of what it may take (`max_size`) the log and the ballast are set aside, and what the recorded samples
take; the rest is for events.
"""

from dataclasses import dataclass
from typing import Final

from agent.store.opening import WAL_BYTES

LEAST_FREE: Final = 100_000_000
"""Bytes free on the disk below which somebody is told, while there is still time."""
BALLAST: Final = 16_000_000
# A transaction that is larger than the log is meant to be makes it so for a moment.
_LOG: Final = 2 * WAL_BYTES

FULL: Final = 1.0
FILLING: Final = 0.8
"""From here on what is delivered goes before its time, so that what is left is undelivered."""
RELAXED: Final = 0.7
ENOUGH: Final = 0.98
"""What is given up brings it down to this, so that each event that comes does not cost one."""


def ballast_for(max_size: int) -> int:
    """How large the ballast of a store of this size is: more than the log, which it must let SQLite fold in."""
    return min(BALLAST, max_size // 5)


@dataclass(frozen=True, slots=True)
class Usage:
    """The store as it was last looked at, bytes.

    Attributes:
        limit: `store.max_size`.
        file: the store's file; it does not shrink at once when something is deleted.
        used: of that, in use.
        samples: what recorded samples take beside it.
        first: the oldest event's number.
        newest: the newest event's number.
    """

    limit: int
    file: int
    used: int
    samples: int = 0
    first: int = 0
    newest: int = 0

    @property
    def room(self) -> int:
        """What events may take."""
        return max(1, self.limit - min(_LOG, self.limit // 4) - ballast_for(self.limit) - self.samples)

    @property
    def share(self) -> float:
        """How much of the room for events is in use; above 1: too much."""
        return self.used / self.room

    @property
    def surplus(self) -> int:
        """How many bytes have to go until there is enough room again."""
        return max(0, round(self.used - ENOUGH * self.room))

    def undelivered(self, waiting: int) -> int:
        """About how many bytes belong to so many deliveries that wait or are dead: at most all."""
        events = self.newest - self.first + 1
        return round(self.used * min(waiting, events) / events) if events > 0 else 0
