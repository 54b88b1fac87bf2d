"""What one tag looked like over the whole history, in bounded memory: its curve, its gaps, its noise.

Rules for whoever changes it: the work is done a portion at a time, by the interpreter's own loops; what
is thinned is thinned evenly, and gaps and counts are exact.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, sqrt
from operator import sub
from statistics import median
from typing import Final

from agent.model import TagSpec
from agent.proving.columns import Column
from agent.proving.results import Bar, Bucket, Series, Spread
from agent.proving.thinning import Thinned, quantile

MOST_BUCKETS: Final = 2_000
_MOST_GAPS: Final = 2_000
_BARS: Final = 60
_DIFFERENCES: Final = 64  # of neighbours, taken from each portion
_ENOUGH_DIFFERENCES: Final = 200
_ENOUGH_FOR_QUANTILES: Final = 1_000
_EXACT: Final = 1e-9  # of the greatest value: less is the rounding of floating point, not a step


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
        self._width = max(interval, width, 1)
        self._buckets: list[Bucket] = []
        self._lost: int | None = begin  # since when there is no fresh good value
        self._evidence = begin
        self._gaps: list[tuple[int, int]] = []
        self._blind = 0
        self._values: Thinned[float] = Thinned()
        self._normal: Thinned[float] = Thinned()
        self._differences: Thinned[float] = Thinned()

    def add(self, column: Column, *, standing: bool) -> tuple[float, float] | None:
        """Take the next portion; `standing`: an alarm of the tag has been standing for long: it is not normal.

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
        if not standing:
            self._normal.extend(numbers)
        stride = max(1, len(numbers) // _DIFFERENCES)
        self._differences.extend(list(map(sub, numbers[1::stride], numbers[::stride])))
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
            self._gap(self._lost, at)
        self._lost, self._evidence = None, at

    def _gap(self, begin: int, end: int) -> None:
        if end <= begin:
            return
        self._blind += end - begin
        self._gaps.append((begin, end))
        if len(self._gaps) > 2 * _MOST_GAPS:
            self._keep_longest_gaps()

    def _keep_longest_gaps(self) -> None:
        longest = sorted(self._gaps, key=lambda gap: gap[0] - gap[1])[:_MOST_GAPS]
        self._gaps = sorted(longest)

    # --- the curve ------------------------------------------------------------------------------------

    def _fill(self, times: Sequence[int], numbers: Sequence[float], least: float, greatest: float) -> None:
        width, begin, count = self._width, 0, len(times)
        last = times[-1] // width
        while begin < count:
            bucket = times[begin] // width
            if bucket == last:
                end = count
                part = (least, greatest) if begin == 0 else _extremes(numbers[begin:])
            else:
                end = bisect_left(times, (bucket + 1) * width, begin)
                part = _extremes(numbers[begin:end])
            self._put(bucket * width, *part)
            begin = end
        while len(self._buckets) > 2 * MOST_BUCKETS:
            self._double()

    def _put(self, begin: int, least: float, greatest: float) -> None:
        if self._buckets and self._buckets[-1].begin == begin:
            before = self._buckets.pop()
            least, greatest = min(least, before.least), max(greatest, before.greatest)
        self._buckets.append(Bucket(begin, least, greatest))

    def _double(self) -> None:
        self._width *= 2
        buckets, self._buckets = self._buckets, []
        for bucket in buckets:
            self._put(bucket.begin // self._width * self._width, bucket.least, bucket.greatest)

    # --- the result -------------------------------------------------------------------------------------

    def series(self, end: int) -> Series:
        """What was found; the history ends at `end`."""
        lost = self._lost
        if lost is None and self._stale_after is not None and end > self._evidence + self._stale_after:
            lost = self._evidence + self._stale_after
        if lost is not None:
            self._gap(lost, end)
        while len(self._buckets) > MOST_BUCKETS:
            self._double()
        self._keep_longest_gaps()
        return Series(
            tag=self.tag,
            samples=self.samples,
            bad=self.bad,
            interval=self.interval,
            stale_after=self._stale_after or 0,
            width=self._width,
            buckets=tuple(self._buckets),
            gaps=tuple(self._gaps),
            blind=self._blind,
            spread=self._spread() if self._buckets else None,
        )

    def _spread(self) -> Spread:
        values = self._values.kept
        enough = self._normal.count >= _ENOUGH_FOR_QUANTILES
        differences = self._differences.kept
        return Spread(
            samples=len(values),
            bars=_bars(values),
            low=quantile(self._normal.kept, 0.001) if enough else None,
            high=quantile(self._normal.kept, 0.999) if enough else None,
            noise=noise(differences) if len(differences) >= _ENOUGH_DIFFERENCES else None,
            step=self.tag.step or _step(differences, max(map(abs, values))),
        )


def noise(differences: Sequence[float]) -> float:
    """Sigma of white noise from its first differences: MAD / 0.6745 / sqrt(2), which slow changes hardly touch."""
    centre = median(differences)
    return median([abs(each - centre) for each in differences]) / 0.6745 / sqrt(2)


def _step(differences: Sequence[float], greatest: float) -> float | None:
    steps = [size for each in differences if (size := abs(each)) > greatest * _EXACT]
    return min(steps, default=None)


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
