"""Spans of wall-clock time: active hours with zones and daylight saving, maintenance."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` up to `end`, nanoseconds UTC."""

    begin: int
    end: int

    def holds(self, wall: int) -> bool:
        """`wall` lies within."""
        return self.begin <= wall < self.end


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the week.

    Attributes:
        days: 0 is Monday; the days on which they begin.
        begin, end: minutes after midnight; an end at or before the beginning is on the next day.
        zone: IANA name.
    """

    days: frozenset[int]
    begin: int
    end: int
    zone: str

    def holds(self, wall: int) -> bool:
        """`wall` (nanoseconds UTC) lies within the hours."""
        raise NotImplementedError

    def next_change(self, wall: int) -> int:
        """The next instant after `wall` at which they begin or end, nanoseconds UTC."""
        raise NotImplementedError
