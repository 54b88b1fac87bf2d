"""What one tag looked like over the whole history, in bounded memory: its curve, its gaps, its spread.

Rules for whoever changes it: the work is done a portion at a time, by the interpreter's own loops; what
is thinned is thinned evenly, and gaps and counts are exact.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from operator import sub
from typing import Final

from agent.model import TagSpec
from agent.proving.columns import Column
from agent.proving.curve import Curve, Gaps
from agent.proving.seen import Bar, Series, Spread
from agent.proving.thinning import Thinned

_BARS: Final = 60


class SeriesRecord:
    """Follows one tag.

    Args:
        tag: what is known of it.
        interval: the median time between two samples; 0: not known.
        stale_after: for how long a value counts as fresh; None: for ever.
        begin: where the history begins.
        width: of the first buckets; they become wider as the history grows.
    """

    def __init__(
        self, tag: TagSpec, interval: int, stale_after: int | None, begin: int, width: int = 1
    ) -> None:
        self.tag = tag
        self.interval = interval
        self.samples = self.bad = 0
        self._stale_after = stale_after
        self._curve = Curve(max(interval, width))
        self._lost: int | None = begin  # since when there is no fresh good value
        self._evidence = begin
        self._gaps = Gaps()
        self._values: Thinned[float] = Thinned()

    def add(self, column: Column) -> tuple[float, float] | None:
        """Take the next portion.

        Returns:
            The least and the greatest value, if all are good numbers.
        """
        self.samples += len(column.times)
        times, numbers = column.good()
        self.bad += len(column.times) - len(times)
        self._follow_gaps(column, times)
        if not numbers:
            return None
        least, greatest = min(numbers), max(numbers)
        self._fill(times, numbers, least, greatest)
        self._values.extend(numbers)
        return (least, greatest) if column.numbers is not None else None

    # --- gaps ---------------------------------------------------------------------------------------

    def _follow_gaps(self, column: Column, good: Sequence[int]) -> None:
        if len(good) < len(column.times):
            there = set(good)
            for time in column.times:
                if time in there:
                    self._seen(time)
                else:
                    self._lose(time)
            return
        stale, times = self._stale_after, column.times
        self._seen(times[0])
        if stale is not None and times[-1] - times[0] > stale and max(map(sub, times[1:], times)) > stale:
            for time in times:
                self._seen(time)
        self._evidence = times[-1]

    def _lose(self, at: int) -> None:
        if self._lost is None:
            stale = self._stale_after
            self._lost = at if stale is None else min(at, self._evidence + stale)

    def _seen(self, at: int) -> None:
        stale = self._stale_after
        if self._lost is None and stale is not None and at > self._evidence + stale:
            self._lost = self._evidence + stale
        if self._lost is not None:
            self._gaps.add(self._lost, at)
        self._lost, self._evidence = None, at

    # --- the curve ------------------------------------------------------------------------------------

    def _fill(self, times: Sequence[int], numbers: Sequence[float], least: float, greatest: float) -> None:
        width, begin, count = self._curve.width, 0, len(times)
        last = times[-1] // width
        while begin < count:
            bucket = times[begin] // width
            if bucket == last:
                end = count
                part = (least, greatest) if begin == 0 else _extremes(numbers[begin:])
            else:
                end = bisect_left(times, (bucket + 1) * width, begin)
                part = _extremes(numbers[begin:end])
            self._curve.put(bucket * width, *part)
            begin = end
        self._curve.thin()

    # --- the result -------------------------------------------------------------------------------------

    def series(self, end: int) -> Series:
        """What was found; the history ends at `end`."""
        lost = self._lost
        if lost is None and self._stale_after is not None and end > self._evidence + self._stale_after:
            lost = self._evidence + self._stale_after
        if lost is not None:
            self._gaps.add(lost, end)
        buckets, values = self._curve.buckets(), self._values.kept
        return Series(
            tag=self.tag,
            samples=self.samples,
            bad=self.bad,
            interval=self.interval,
            stale_after=self._stale_after or 0,
            width=self._curve.width,
            buckets=buckets,
            gaps=self._gaps.spans(),
            blind=self._gaps.length,
            spread=Spread(len(values), _bars(values)) if values else None,
        )


def _extremes(numbers: Sequence[float]) -> tuple[float, float]:
    return min(numbers), max(numbers)


def _bars(values: Sequence[float]) -> tuple[Bar, ...]:
    low, high = _extremes(values)
    width = (high - low) / _BARS
    if not isfinite(width) or low + width == low:
        return (Bar(low, high, len(values)),)
    counts = [0] * _BARS
    for value in values:
        counts[min(int((value - low) / width), _BARS - 1)] += 1
    edges = [*(low + width * index for index in range(_BARS)), high]
    return tuple(Bar(*edge, count) for edge, count in zip(pairwise(edges), counts, strict=True))
