"""Stretches of numbers that are accounted for, and the holes between them.

A stretch `(low, high]` holds the numbers above `low` up to `high`. Events come in any order and more than
once; they are gathered, sorted and merged in bites, so that a log of millions of lines in the order in
which it was written costs a few stretches of memory, and one that was shuffled no more than its pieces.

Rules for whoever changes this: pure; a bite is merged in one pass over the stretches; what is asked for is
asked of everything that was added.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

BITE: Final = 65_536
_MOST_ODD: Final = 1_000

UNKNOWN: Final = -1
"""The instant of what carries none."""


class Stretch(NamedTuple):
    """Numbers above `low` up to `high`, and when its first and its last event happened (UTC ms, or UNKNOWN)."""

    low: int
    high: int
    first_at: int = UNKNOWN
    last_at: int = UNKNOWN


class Stretches:
    """A set of numbers as stretches; disjoint, and no two of them meet."""

    def __init__(self, bite: int = BITE) -> None:
        self._added = 0
        self._again = 0
        self._odd: list[Stretch] = []
        self._columns = _columns()
        self._bite: list[Stretch] = []
        self._most = self._least = bite

    def add(self, stretch: Stretch) -> None:
        """These numbers are accounted for."""
        self._bite.append(stretch)
        if len(self._bite) >= self._most:
            self._merge()

    def __iter__(self) -> Iterator[Stretch]:
        self._merge()
        return map(Stretch, *self._columns)

    @property
    def added(self) -> int:
        """How many of those that were added told something new."""
        self._merge()
        return self._added

    @property
    def again(self) -> int:
        """How many of those that were added were there already."""
        self._merge()
        return self._again

    @property
    def odd(self) -> Sequence[Stretch]:
        """Those that contradict others, which begin or end in the middle of them; at most a thousand."""
        self._merge()
        return self._odd

    def _merge(self) -> None:
        """One pass over what is there and what came."""
        if not self._bite:
            return
        self._bite.sort()
        known = map(Stretch, *self._columns)
        self._columns = _columns()
        now: Stretch | None = None
        for stretch, new in _in_order(known, self._bite):
            if now is None or stretch.low > now.high:
                self._keep(now)
                now = stretch
                self._added += new
                continue
            if stretch.high <= now.high and new:
                self._again += 1
                continue
            if stretch.low < now.high:
                self._contradict(stretch)
            self._added += new
            now = _together(now, stretch)
        self._keep(now)
        self._bite = []
        # A log in wild order has many pieces: they are gone through less often.
        self._most = max(self._least, len(self._columns[0]) // 4)

    def _contradict(self, stretch: Stretch) -> None:
        if len(self._odd) < _MOST_ODD:
            self._odd.append(stretch)

    def _keep(self, stretch: Stretch | None) -> None:
        for column, value in zip(self._columns, stretch or (), strict=False):
            column.append(value)


def _together(one: Stretch, other: Stretch) -> Stretch:
    """What begins with the one and goes on with the other; of an unknown instant the nearest known one."""
    return Stretch(
        one.low,
        max(one.high, other.high),
        other.first_at if one.first_at == UNKNOWN else one.first_at,
        one.last_at if other.last_at == UNKNOWN else other.last_at,
    )


def _columns() -> tuple["array[int]", ...]:
    return tuple(array("q") for _ in Stretch._fields)


def _in_order(known: Iterator[Stretch], new: Iterable[Stretch]) -> Iterator[tuple[Stretch, bool]]:
    """Both by `low`, what is known before what is new; each with whether it is new."""
    waiting = next(known, None)
    for stretch in new:
        while waiting is not None and waiting.low <= stretch.low:
            yield waiting, False
            waiting = next(known, None)
        yield stretch, True
    while waiting is not None:
        yield waiting, False
        waiting = next(known, None)


def union(*parts: Stretches) -> Iterator[Stretch]:
    """What any of them holds, as disjoint stretches that do not meet; instants of the one that begins or ends them."""
    both = Stretches()
    for part in parts:
        for stretch in part:
            both.add(stretch)
    return iter(both)


class Hole(NamedTuple):
    """Numbers above `low` up to `high` that nothing accounts for; `high` itself is one that was named.

    Attributes:
        low: the last number before it that is accounted for; 0: none is.
        high: somebody has named it: an event, a record of a gap, or a heartbeat.
        after: when the event before it happened, UTC ms or UNKNOWN.
        before: when the event after it happened.
        tail: no event came after it: only a heartbeat names it.
    """

    low: int
    high: int
    after: int = UNKNOWN
    before: int = UNKNOWN
    tail: bool = False


def holes(covered: Iterable[Stretch], named: int = 0) -> Iterator[Hole]:
    """What is missing between them, and between the last of them and `named`, the newest number that is known of."""
    end, at = 0, UNKNOWN
    for stretch in covered:
        if stretch.low > end:
            yield Hole(end, stretch.low, at, stretch.first_at)
        end, at = stretch.high, stretch.last_at
    if named > end:
        yield Hole(end, named, at, tail=True)


def overlapping(stretches: Sequence[Stretch], low: int, high: int) -> Iterator[Stretch]:
    """Those of disjoint stretches in order that hold one of the numbers above `low` up to `high`."""
    for place in range(bisect_right(stretches, low, key=lambda stretch: stretch.high), len(stretches)):
        if stretches[place].low >= high:
            return
        yield stretches[place]


def without(hole: Hole, declared: Sequence[Stretch]) -> Iterator[Hole]:
    """What is left of a hole when single numbers in it are declared, each without what was before it.

    Only the piece that ends with the hole's own last number is certain: nobody has named one of the others.
    """
    low = hole.low
    for stretch in overlapping(declared, hole.low, hole.high):
        if stretch.low > low:
            yield hole._replace(low=low, high=stretch.low)
        low = stretch.high
    if low < hole.high:
        yield hole._replace(low=low)


def common(one: Iterable[Stretch], other: Sequence[Stretch]) -> Iterator[Stretch]:
    """What both hold; `other` is disjoint and in order."""
    for stretch in one:
        for part in overlapping(other, stretch.low, stretch.high):
            yield Stretch(max(stretch.low, part.low), min(stretch.high, part.high))
