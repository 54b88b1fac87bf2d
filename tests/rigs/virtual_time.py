"""An event loop whose clock jumps: thirty days of outage in seconds.

When nothing is ready, the loop does not wait for its next timer; it moves its clock there. For
code without real I/O (a thread or a socket takes real time, which this clock does not see).
"""

import asyncio
import selectors


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: tells the loop how far to move its clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("the loop waits for ever: nothing is scheduled and virtual time cannot pass")
        self.now += max(timeout, 0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector loop on virtual seconds, starting at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # A timer is due within the clock's resolution. One nanosecond vanishes in a float of more
        # than 97 days, and the loop would then turn for ever beside a timer that is due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """The running loop's virtual time as `agent.clock.Clock`; the wall clock stands `offset` ns away."""

    def __init__(self, offset: int = 1_795_000_000_000_000_000) -> None:
        self.offset = offset

    def monotonic(self) -> int:
        return round(asyncio.get_running_loop().time() * 1_000_000_000)

    def wall(self) -> int:
        return self.monotonic() + self.offset
