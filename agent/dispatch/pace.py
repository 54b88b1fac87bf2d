"""How fast a destination is sent to: how much side by side, and how much in a time.

After an outage the backlog drains by additive increase and multiplicative decrease: one at a time at
first, one more for each round that succeeds, half as many after each failure, so that a fleet that
comes back together does not knock the receiver down again (design: delivery, "What an answer means").

Rules for whoever changes this: pure; instants are monotonic nanoseconds, passed in.
"""

from collections import deque

from agent.destinations.base import RateSection


class Pace:
    """The pace of one destination: `concurrency` at the most, and no more than `limit` in its time."""

    def __init__(self, concurrency: int, limit: RateSection | None) -> None:
        self._most = concurrency
        self._window = float(concurrency)
        self._limit = limit
        self._sent: deque[int] = deque(maxlen=None if limit is None else limit.events)

    @property
    def width(self) -> int:
        """How many attempts may be under way side by side."""
        return int(self._window)

    def succeeded(self) -> None:
        """An attempt brought a 2xx."""
        self._window = min(self._most, self._window + 1 / self._window)

    def failed(self) -> None:
        """An attempt failed, and not for the event's own fault."""
        self._window = max(1.0, self._window / 2)

    def begin_anew(self) -> None:
        """The destination was away when the agent stopped: begin with one at a time."""
        self._window = 1.0

    def room(self, now: int, wanted: int) -> int:
        """How many of the events that are `wanted` may be sent now."""
        if self._limit is None:
            return wanted
        while self._sent and now - self._sent[0] >= self._limit.per:
            self._sent.popleft()
        return min(wanted, self._limit.events - len(self._sent))

    def spend(self, now: int, events: int) -> None:
        """So many events are being sent."""
        if self._limit is not None:
            self._sent.extend([now] * events)

    def opens_at(self, now: int) -> int | None:
        """When the limit lets something through again; None: it does now."""
        if self._limit is None or self.room(now, 1) > 0:
            return None
        return self._sent[0] + self._limit.per
