"""What each tag was in the last ten minutes, for the small curves of the page: one number each ten seconds.

Rules for whoever changes this: 240 bytes a tag, and of so many tags at most; all stand at the same moments.
"""

from array import array
from collections.abc import Iterable, Mapping
from math import isfinite, nan
from typing import Final

from agent.model import SECOND, Quality, Reading

EVERY: Final = 10 * SECOND
KEPT: Final = 60
MOST: Final = 10_000
_NONE: Final = array("f", [nan]) * KEPT
_LARGEST: Final = 3e38  # of a float of 32 bits


class Trends:
    """Rings of samples by tag."""

    def __init__(self, now: int) -> None:
        self._rings: dict[str, array[float]] = {}
        self._newest = now // EVERY

    def sample(self, now: int, readings: Mapping[str, Reading], stale_after: Mapping[str, int]) -> None:
        """Note what holds now, if that is due; `stale_after`: by tag, of those that grow stale at all."""
        before, self._newest = self._newest, now // EVERY
        if self._newest == before:
            return
        for missed in range(max(before + 1, self._newest - KEPT + 1), self._newest):  # the machine slept
            for ring in self._rings.values():
                ring[missed % KEPT] = nan
        place, rings = self._newest % KEPT, self._rings
        for tag, reading in readings.items():
            limit = stale_after.get(tag)
            number = nan if limit is not None and now - reading.received > limit else _number(reading)
            ring_or_none = rings.get(tag)
            if ring_or_none is not None:
                ring_or_none[place] = number
            elif isfinite(number) and len(rings) < MOST:
                ring = rings[tag] = _NONE[:]
                ring[place] = number

    def forget(self, tags: Iterable[str]) -> None:
        """Keep nothing of these."""
        for tag in tags:
            self._rings.pop(tag, None)

    def of(self, tags: Iterable[str]) -> tuple[int, dict[str, list[float | None]]]:
        """When the newest is due, monotonic nanoseconds, and the numbers of each that has any, the oldest first."""
        after = self._newest % KEPT + 1
        rings = {tag: ring for tag in tags if (ring := self._rings.get(tag)) is not None}
        return self._newest * EVERY, {tag: _told(ring[after:] + ring[:after]) for tag, ring in rings.items()}


def _number(reading: Reading) -> float:
    """What is drawn of it; not a number: there is nothing to draw."""
    value = reading.value
    if value is None or isinstance(value, str) or reading.quality is Quality.BAD:
        return nan
    return value if -_LARGEST < value < _LARGEST else nan


def _told(ring: Iterable[float]) -> list[float | None]:
    """Six digits are what 32 bits are good for, and a third of the length."""
    return [float(f"{number:.6g}") if isfinite(number) else None for number in ring]
