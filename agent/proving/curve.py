"""A curve in bounded memory, and the gaps in it: what a tag, or what a rule compares, looked like.

Rules for whoever changes it: a bucket keeps the least and the greatest, so no peak is lost however wide
the buckets become; of very many gaps the longest are kept, and their length is exact.
"""

from typing import Final

from agent.model import Kind, TagSpec, Value
from agent.proving.seen import Bucket, Series

MOST_BUCKETS: Final = 2_000
_MOST_GAPS: Final = 2_000


class Curve:
    """The least and the greatest number in each `width`, which doubles whenever there are too many.

    Attributes:
        width: of a bucket, nanoseconds.
    """

    def __init__(self, width: int) -> None:
        self.width = max(width, 1)
        self._buckets: list[Bucket] = []

    def put(self, begin: int, least: float, greatest: float) -> None:
        """Add to the bucket that begins at `begin`, which is the last or a later one."""
        if self._buckets and self._buckets[-1].begin == begin:
            before = self._buckets.pop()
            least, greatest = min(least, before.least), max(greatest, before.greatest)
        self._buckets.append(Bucket(begin, least, greatest))

    def thin(self, most: int = 2 * MOST_BUCKETS) -> None:
        """Make the buckets wider until there are at most so many."""
        while len(self._buckets) > most:
            self.width *= 2
            buckets, self._buckets = self._buckets, []
            for bucket in buckets:
                self.put(bucket.begin // self.width * self.width, bucket.least, bucket.greatest)

    def buckets(self) -> tuple[Bucket, ...]:
        """At most 2,000 of them."""
        self.thin(MOST_BUCKETS)
        return tuple(self._buckets)


class Gaps:
    """Times in which there was nothing to look at.

    Attributes:
        length: of all of them together, nanoseconds, exact.
    """

    def __init__(self) -> None:
        self.length = 0
        self._spans: list[tuple[int, int]] = []

    def add(self, begin: int, end: int) -> None:
        """There was nothing from `begin` up to `end`."""
        if end <= begin:
            return
        self.length += end - begin
        self._spans.append((begin, end))
        if len(self._spans) > 2 * _MOST_GAPS:
            self._keep_longest()

    def spans(self) -> tuple[tuple[int, int], ...]:
        """The longest of them, in order of time."""
        self._keep_longest()
        return tuple(self._spans)

    def _keep_longest(self) -> None:
        self._spans = sorted(sorted(self._spans, key=lambda gap: gap[0] - gap[1])[:_MOST_GAPS])


class Compared:
    """Follows the number that a rule compares where that is not its tag's value: a measure, a calculation.

    Args:
        unit: of the number.
        width: of the first buckets.
        begin: where the history begins.
    """

    def __init__(self, unit: str, width: int, begin: int) -> None:
        self._unit = unit
        self._curve = Curve(width)
        self._gaps = Gaps()
        self._known: float | None = None
        self._at = begin  # since when nothing is known, or where it was seen last
        self._seen = 0
        self._switch = True

    def see(self, value: Value | None, at: int) -> None:
        """From `at` on it is this; None, and what is no number: unknown."""
        known = None if value is None or isinstance(value, str) else float(value)
        if known is not None:
            if self._known is None:
                self._gaps.add(self._at, at)
            self._seen += 1
            self._switch = self._switch and isinstance(value, bool)
            self._put(at, known)
            self._at = at
        elif self._known is not None:
            self._put(at, self._known)  # it held up to here
            self._at = at
        self._known = known

    def series(self, end: int) -> Series:
        """What was found; the history ends at `end`."""
        if self._known is None:
            self._gaps.add(self._at, end)
        else:
            self._put(end, self._known)
        kind = Kind.SWITCH if self._switch and self._seen else Kind.NUMBER
        buckets = self._curve.buckets()
        return Series(
            tag=TagSpec("", "", self._unit, kind=kind),
            samples=self._seen,
            bad=0,
            interval=0,
            stale_after=0,
            width=self._curve.width,
            buckets=buckets,
            gaps=self._gaps.spans(),
            blind=self._gaps.length,
            spread=None,
        )

    def _put(self, at: int, number: float) -> None:
        self._curve.put(at // self._curve.width * self._curve.width, number, number)
        self._curve.thin()
