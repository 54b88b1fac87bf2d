"""Spans of wall-clock time: active hours with zones and daylight saving, maintenance.

Hours follow the clock on the wall. Where daylight saving leaves times out, what begins or ends within
the gap does so at the instant of the change; where times come twice, hours begin with the first and end
with the last.

Rules for whoever changes it: `holds` and `next_change` are two readings of the same stretches of time,
and may never disagree; nothing goes through time minute by minute. The time zones come from the
standard library, which reads each once.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.model import SECOND

DAY: Final = 24 * 60
"""Minutes of a day on which no clock is changed."""
NEVER: Final = 2**63 - 1
"""Nanoseconds UTC: later than every instant that is asked about."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


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


def parse_days(written: str | Iterable[str]) -> frozenset[int]:
    """Read days of the week: `mon-fri`, `mon, wed, sat-sun`, or a list of such.

    Raises:
        ValueError: no day of the week, with what may be written.
    """
    parts = [
        part for item in ([written] if isinstance(written, str) else written) for part in item.split(",")
    ]
    days: set[int] = set()
    for part in parts:
        first, dash, last = part.partition("-")
        begin = _day(first)
        end = _day(last) if dash else begin
        days.update((begin + ahead) % len(DAYS) for ahead in range((end - begin) % len(DAYS) + 1))
    if not days:
        raise ValueError("no day is named; days are written as mon-fri, or mon, wed, sat-sun")
    return frozenset(days)


def _day(written: str) -> int:
    word = written.strip().lower()
    for names in (DAYS, _FULL_NAMES):
        if word in names:
            return names.index(word)
    known = f"days are {', '.join(DAYS)}, written as mon-fri, or mon, wed, sat-sun"
    raise ValueError(f"`{written.strip()}` is no day of the week; {known}")


def parse_time(written: str, *, end: bool = False) -> int:
    """Read a time of day as minutes after midnight; as an end, `24:00` too.

    Raises:
        ValueError: no time of day, with what may be written.
    """
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", written.strip())
    hours, minutes = (int(found[1]), int(found[2])) if found else (99, 99)
    if (hours, minutes) == (24, 0):
        if end:
            return DAY
        raise ValueError('"24:00" is only an end; a day begins at "00:00"')
    if hours >= 24 or minutes >= 60:  # noqa: PLR2004 - the clock's own numbers
        last = '"24:00"' if end else '"23:59"'
        raise ValueError(
            f'`{written}` is no time of day; hours and minutes, "00:00" to {last}, are written as "06:00"'
        )
    return 60 * hours + minutes


def parse_zone(written: str) -> str:
    """Check the name of a time zone.

    Raises:
        ValueError: there is no such zone here, with what may be written.
    """
    try:
        return ZoneInfo(written).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"`{written}` is no time zone known here; zones are written as Europe/Berlin, America/New_York or UTC"
        ) from None
