"""When to poll: on a fixed grid of the monotonic clock, so that nothing drifts and nothing bursts.

Pure. Each source has its own phase on the grid, by its name: a hundred sources that poll every
second do not all fire at the same instant, and keep their places over a restart.
"""

from dataclasses import dataclass
from typing import Self
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Grid:
    """Instants `phase`, `phase + period`, ..., all monotonic nanoseconds."""

    period: int
    phase: int

    @classmethod
    def of(cls, name: str, period: int) -> Self:
        """The grid of the source with this name."""
        return cls(period, crc32(name.encode()) * period >> 32)

    def after(self, instant: int) -> int:
        """The first point of the grid later than `instant`."""
        return instant + self.period - (instant - self.phase) % self.period

    def points(self, after: int, until: int) -> int:
        """How many points lie later than `after` and not later than `until`."""
        return (until - self.phase) // self.period - (after - self.phase) // self.period
