"""Time, passed in: the one seam through which the shell learns what time it is.

Rules: durations run on the monotonic clock, stamps on the wall clock, both as integer nanoseconds,
so that sums are exact whatever order they are taken in. The core never sees a clock; it is handed
instants. Nothing else in the house calls `time.*`.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Both clocks of the machine."""

    def monotonic(self) -> int:
        """Nanoseconds on a clock that never steps (its zero is arbitrary, the same within one boot)."""
        ...

    def wall(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, as the machine believes; may step either way."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> int:
        """See `Clock.monotonic`."""
        return time.monotonic_ns()

    def wall(self) -> int:
        """See `Clock.wall`."""
        return time.time_ns()
