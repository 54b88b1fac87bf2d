"""The two scales of every plot: time, in per cent of the width, and values, in steps that people count in.

Rules for whoever changes it: an instant's place is a share of the period, so that the same plot fills a
phone and a wall; times of day are those of the plant's zone, and the page says which.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from agent.model import SECOND

HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
_MINUTES: Final = (1, 5, 15, 30, 60, 180, 360, 720)
_DAY_MINUTES: Final = 1440
_DAYS: Final = (1, 2, 7, 14, 28, 56, 91, 182, 364)
_EPOCH_MONDAY: Final = datetime(1970, 1, 5)  # noqa: DTZ001 - local days are counted from it


@dataclass(frozen=True, slots=True)
class Period:
    """What the horizontal axis shows: nanoseconds UTC, and the zone that its labels are written in."""

    begin: int
    end: int
    zone: tzinfo = UTC

    @property
    def span(self) -> int:
        """Never zero: a history of one sample has an axis too."""
        return max(self.end - self.begin, 1)

    def place(self, instant: int) -> float:
        """Where an instant is, in per cent, within the axis."""
        return min(max((instant - self.begin) / self.span, 0.0), 1.0) * 100

    def local(self, instant: int) -> datetime:
        """The wall clock in the plant's zone."""
        return datetime.fromtimestamp(instant // SECOND, self.zone)

    def stamp(self, instant: int) -> str:
        """Write an instant for people: `Tue 17 Nov 14:05:09`."""
        return f"{self.local(instant):%a %-d %b %H:%M:%S}"

    def date(self, instant: int) -> str:
        """Write a day with its year: `17 November 2026`."""
        return f"{self.local(instant):%-d %B %Y}"

    def ticks(self, most: int = 7) -> list[tuple[float, str]]:
        """Round instants of the plant's wall clock, at most so many: (place, label)."""
        for minutes in (*_MINUTES, *(days * _DAY_MINUTES for days in _DAYS)):
            if self.span / (minutes * 60 * SECOND) <= most:
                break
        return [
            (self.place(instant), f"{local:{_format(local, minutes)}}")
            for instant, local in self._every(timedelta(minutes=minutes))
        ]

    @property
    def caption(self) -> str:
        """What the labels of the ticks leave out: the year, or the day."""
        first, last = self.local(self.begin), self.local(self.end)
        if first.date() == last.date():
            return f"{first:%-d %b}"
        return f"{first:%Y}" if first.year == last.year else f"{first:%Y}-{last:%y}"

    def _every(self, step: timedelta) -> Iterator[tuple[int, datetime]]:
        naive = self.local(self.begin).replace(tzinfo=None)
        at = _EPOCH_MONDAY + math.ceil((naive - _EPOCH_MONDAY) / step) * step
        while True:
            instant = round(at.replace(tzinfo=self.zone).timestamp()) * SECOND
            if instant > self.end:
                return
            if instant >= self.begin:
                yield instant, at
            at += step


def _format(local: datetime, minutes: int) -> str:
    """Midnight is written as the day that it begins."""
    if minutes < _DAY_MINUTES and (local.hour or local.minute):
        return "%H:%M"
    return "%a %-d" if minutes < 7 * _DAY_MINUTES else "%-d %b"


@dataclass(frozen=True, slots=True)
class Scale:
    """A vertical or horizontal axis of values from `low` to `high`."""

    low: float
    high: float

    @classmethod
    def around(cls, values: list[float], air_above: float = 0.06) -> "Scale":
        """An axis on which all the values are, with some air around them."""
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        width = high - low or abs(high) or 1.0
        return cls(low - width * 0.06, high + width * air_above)

    def share(self, value: float) -> float:
        """Where a value is: 0 at `low`, 1 at `high`, never outside."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self, most: int) -> list[float]:
        """Round values, at most so many."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= rough)
        first = math.ceil(self.low / step)
        return [index * step for index in range(first, math.floor(self.high / step) + 1)]
