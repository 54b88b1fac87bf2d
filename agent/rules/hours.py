"""Spans of wall-clock time: active hours with zones and daylight saving, maintenance.

Hours follow the clock on the wall. Where daylight saving leaves times out, what begins or ends within
the gap does so at the instant of the change; where times come twice, hours begin with the first and end
with the last.

Rules for whoever changes it: `holds` and `next_change` are two readings of the same stretches of time,
and may never disagree; nothing goes through time minute by minute. The time zones come from the
standard library, which reads each once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from agent.model import SECOND

DAY: Final = 24 * 60
"""Minutes of a day on which no clock is changed."""
NEVER: Final = 2**63 - 1
"""Nanoseconds UTC: later than every instant that is asked about."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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
        return any(span.holds(wall) for span in self._spans(wall, days_after=1))

    def next_change(self, wall: int) -> int:
        """The next instant after `wall` at which they begin or end, nanoseconds UTC; NEVER: none."""
        if len(self.days) == len(DAYS) and (self.end - self.begin) % DAY == 0:
            return NEVER
        reach = wall  # up to where they are known to last, if they hold at all
        for span in self._spans(wall, days_after=3 * len(DAYS)):
            if span.begin > reach:
                return span.begin if reach == wall else reach
            reach = max(reach, span.end)
        return reach if reach > wall else NEVER

    def _spans(self, wall: int, days_after: int) -> Iterator[Span]:
        """Go through what begins from two days before `wall` on, in the order of time.

        Two days: at the end of a span that crosses midnight, clocks put back over midnight included.
        """
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(wall // SECOND, zone).date()
        end = self.end if self.end > self.begin else self.end + DAY
        for ahead in range(-2, days_after + 1):
            day = today + timedelta(days=ahead)
            if day.weekday() in self.days:
                midnight = datetime.combine(day, time())
                span = Span(
                    _instant(midnight + timedelta(minutes=self.begin), zone, fold=0),
                    _instant(midnight + timedelta(minutes=end), zone, fold=1),
                )
                if span.begin < span.end:
                    yield span


def _instant(local: datetime, zone: ZoneInfo, fold: int) -> int:
    """The instant at which clocks show `local`, nanoseconds UTC.

    Args:
        local: without a zone.
        zone: whose clocks.
        fold: which of two instants, where clocks were put back: 0 the first, 1 the last.
    """
    first, last = (local.replace(tzinfo=zone, fold=which) for which in (0, 1))
    before, after = first.utcoffset(), last.utcoffset()
    if before is not None and after is not None and before < after:
        return _change(int(last.timestamp()), int(first.timestamp()), zone) * SECOND
    return int((last if fold else first).timestamp()) * SECOND


def _change(early: int, late: int, zone: ZoneInfo) -> int:
    """The second after `early`, up to `late`, at which clocks are put forward (bisection)."""
    old = datetime.fromtimestamp(early, UTC).astimezone(zone).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, UTC).astimezone(zone).utcoffset() == old:
            early = middle
        else:
            late = middle
    return late


# --- as people write them -------------------------------------------------------------------------------
