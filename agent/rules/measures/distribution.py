"""Values and how long each was held: what a median is taken of.

Rules for whoever changes it: sorted by value, one entry a value; time is whole nanoseconds. A slow
signal is kept as it was. Of more than 64 values in an open pane (16 in a closed one) the neighbours in
value are merged into their mean: the median is then off by less than the distance of such neighbours.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

Weighted = tuple[tuple[float, int], ...]

EMPTY: Final[Weighted] = ()
_OPEN = 64
_CLOSED = 16


def added(values: Weighted, value: float, time: int) -> Weighted:
    """The values and one more."""
    place = bisect_left(values, (value,))
    if place < len(values) and values[place][0] == value:
        return (*values[:place], (value, values[place][1] + time), *values[place + 1 :])
    values = (*values[:place], (value, time), *values[place:])
    return values if len(values) <= _OPEN else _halved(values)


def compact(values: Weighted) -> Weighted:
    """The values of a pane that is closed."""
    while len(values) > _CLOSED:
        values = _halved(values)
    return values


def _halved(values: Weighted) -> Weighted:
    """Neighbours in value as one."""
    pairs = zip(values[::2], values[1::2], strict=False)
    merged = [
        (low + (high - low) * (more / (time + more)), time + more) for (low, time), (high, more) in pairs
    ]
    return (*merged, *values[len(merged) * 2 :])


def total(parts: Sequence[Weighted]) -> Weighted:
    """Several as one; a value may stand in it more than once."""
    return tuple(sorted([pair for part in parts for pair in part]))


def middle(values: Weighted) -> float:
    """The weighted median: half of the time the value was at most this, half at least.

    Where it was exactly half, the mean of the two, as of an even number of equal weights.
    """
    whole = sum([time for _, time in values])
    below = 0
    for place, (value, time) in enumerate(values):
        below += time
        if 2 * below == whole and place + 1 < len(values):
            return value + (values[place + 1][0] - value) / 2
        if 2 * below >= whole:
            return value
    raise ValueError("nothing was observed")
