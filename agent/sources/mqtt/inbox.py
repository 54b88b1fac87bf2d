"""Messages between the socket and `emit`: in order, and never more than fit.

Rules for whoever changes this file: a QoS 1 message that was put here is given out or dies with the
connection unacknowledged (so the broker sends it again); only QoS 0, which promises nothing, is
ever dropped, and only while `emit` takes nothing at all.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.model import Seen

CAPACITY: Final = 1_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """What one message brought.

    Attributes:
        seen: what to emit; empty for a topic that nobody asked for.
        mid: the packet id to acknowledge once `seen` was taken; None: QoS 0, nothing to acknowledge.
    """

    seen: Sequence[Seen]
    mid: int | None = None


class Inbox:
    """A queue that is emptied as a whole."""

    def __init__(self) -> None:
        self._waiting: deque[Arrived] = deque()
        self._filled = asyncio.Event()

    @property
    def full(self) -> bool:
        """No more should be read from the socket."""
        return len(self._waiting) >= CAPACITY

    def put(self, arrived: Arrived) -> None:
        """Add one, behind all others; `full` does not refuse it, it asks the reader to pause."""
        self._waiting.append(arrived)
        self._filled.set()

    def drop_oldest(self) -> bool:
        """Drop the oldest one that needs no acknowledgement; false if every one does."""
        for index, arrived in enumerate(self._waiting):
            if arrived.mid is None:
                del self._waiting[index]
                return True
        return False

    async def take(self) -> list[Arrived]:
        """Wait for the first, then take all that wait."""
        await self._filled.wait()
        self._filled.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
