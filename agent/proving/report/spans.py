"""Stretches of time, thinned to what can be told apart: bars, clusters of markers, columns of a curve.

Rules for whoever changes it: nothing disappears. What is too close to be told apart is joined, never
dropped, and what is shorter than a pixel is still drawn (the style sheet gives it an outline).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.model import EventType
from agent.proving.report.axis import Period
from agent.proving.results import Told
from agent.proving.seen import Series

Span = tuple[int, int]


class Column(NamedTuple):
    """The least and the greatest value from `begin` up to `end`."""

    begin: int
    end: int
    least: float
    greatest: float


def joined(spans: Iterable[Span], most: int, period: Period) -> list[Span]:
    """Join neighbours until there are at most so many; the nearest first, by doubling what counts as near."""
    result = _join(spans, 0)
    near = period.span // 20_000
    while len(result) > most:
        near = max(near * 2, 1)
        result = _join(result, near)
    return result


def _join(spans: Iterable[Span], near: int) -> list[Span]:
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin - result[-1][1] <= near:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result


def clusters(events: Sequence[Told], slots: int, period: Period) -> list[list[Told]]:
    """Put events that would overlap into one group: each group begins at least a slot after the last."""
    groups: list[list[Told]] = []
    for event in events:
        if groups and event.at - groups[-1][0].at < period.span / slots:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups


def runs(series: Series, most: int, period: Period) -> list[list[Column]]:
    """Thin a curve to at most about so many columns, and cut it where no fresh good value was."""
    begins, ends = [begin for begin, _ in series.gaps], [end for _, end in series.gaps]
    least_width = max(period.span // max(most, 1), series.width)
    result: list[list[Column]] = []
    for bucket in series.buckets:
        end = bucket.begin + series.width
        run = result[-1] if result else []
        gap = bisect_right(ends, run[-1].end) if run else 0
        if not run or (gap < len(begins) and begins[gap] < bucket.begin):
            result.append([Column(bucket.begin, end, bucket.least, bucket.greatest)])
        elif end - run[-1].begin <= least_width:
            run[-1] = Column(
                run[-1].begin, end, min(run[-1].least, bucket.least), max(run[-1].greatest, bucket.greatest)
            )
        else:  # a value stands until the next one
            run[-1] = run[-1]._replace(end=bucket.begin)
            run.append(Column(bucket.begin, end, bucket.least, bucket.greatest))
    return result


def raises(events: Iterable[Told]) -> int:
    """How many of the events raise an alarm."""
    return sum(event.type is EventType.ALARM_RAISED for event in events)
