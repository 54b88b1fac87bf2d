"""Words of the wall clock: zones, days of the week, times of day, dates.

Rules for whoever changes this: a time without a zone is in the zone of its section, else the
agent's; nothing here asks what time it is. A date is never guessed (`1.12.2026`, `12/1/2026`).
"""

import re
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from agent.config.messages import did_you_mean
from agent.model import SECOND
from agent.rules.hours import DAY, DAYS

_RANGE: Final = re.compile(rf"({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))?")
_CLOCK_PATTERN: Final = r"^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$"
_MOMENT_PATTERN: Final = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?"
_TRIAL: Final = re.compile(f"until +({_MOMENT_PATTERN})")


def zone_of(name: str) -> tzinfo:
    """Give the time zone; UTC needs no data base.

    Raises:
        ValueError: there is none of this name, with the nearest one.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        remedy = did_you_mean(name, known, "") if "/" in name else ""
        if not known:
            remedy = ": install the package tzdata"
        raise ValueError(
            f"unknown time zone {name!r}{remedy or ': expected a name such as Europe/Berlin'}"
        ) from None


def parse_clock(value: object) -> int:
    """Read `06:00` as minutes after midnight; `24:00` is the midnight at the end of the day.

    Raises:
        ValueError: not a time of day.
    """
    if not isinstance(value, str) or not re.search(_CLOCK_PATTERN, value):
        raise ValueError("expected a time of day such as 06:00 or 22:30")
    hours, _, minutes = value.partition(":")
    return (int(hours) * 60 + int(minutes)) % DAY


def parse_days(value: object) -> frozenset[int]:
    """Read `mon-fri`, `sat` or a list of such; 0 is Monday, a range may pass the end of the week.

    Raises:
        ValueError: not days of the week.
    """
    days: set[int] = set()
    for text in value if isinstance(value, list) and value else [value]:
        match = _RANGE.fullmatch(text.lower()) if isinstance(text, str) else None
        if match is None:
            raise ValueError("expected days such as mon-fri, sat or [mon, wed, fri]")
        first = DAYS.index(match[1])
        last = DAYS.index(match[2] or match[1])
        days |= {day % 7 for day in range(first, first + (last - first) % 7 + 1)}
    return frozenset(days)


def parse_moment(value: object) -> datetime:
    """Read `2026-12-01T06:00`, with or without a zone; a date alone is its midnight.

    Raises:
        ValueError: not a date, or one that no calendar has.
    """
    if isinstance(value, str) and re.fullmatch(_MOMENT_PATTERN, value):
        try:
            return datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(
                f"no calendar has this date ({error}): expected one such as 2026-12-01"
            ) from None
    raise ValueError("expected a date and a time such as 2026-12-01T06:00")


def parse_trial(value: object) -> datetime:
    """Read `until 2026-12-15`, the midnight at which that day begins.

    Raises:
        ValueError: no `until`, or no date after it.
    """
    match = _TRIAL.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return parse_moment(match[1])
    raise ValueError("expected the day on which the rule begins to speak, such as until 2026-12-15")


def wall(moment: datetime, zone: str) -> int:
    """Give nanoseconds UTC; what has no zone of its own is in `zone`."""
    return round((moment if moment.tzinfo else moment.replace(tzinfo=zone_of(zone))).timestamp()) * SECOND


def doubtful(moment: datetime, zone: str) -> str:
    """Say what is odd about a time of day when clocks are changed: there is none such, or there are two."""
    if moment.tzinfo is not None:
        return ""
    local = moment.replace(tzinfo=zone_of(zone))
    again = local.replace(fold=1)
    if local.utcoffset() == again.utcoffset():
        return ""
    shown = local.astimezone(UTC).astimezone(local.tzinfo)
    if shown.replace(tzinfo=None) != moment:
        return f"no clock in {zone} shows this time on that day: {shown:%H:%M} is taken"
    first, second = (each.isoformat(timespec="minutes") for each in (local, again))
    return f"clocks in {zone} show this time twice on that day: write {first}, which is taken, or {second}"


def _check_zone(name: str) -> str:
    zone_of(name)
    return name


ZoneName = Annotated[
    str, AfterValidator(_check_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})
]
Clock = Annotated[
    int, BeforeValidator(parse_clock), WithJsonSchema({"type": "string", "pattern": _CLOCK_PATTERN})
]
Days = Annotated[
    frozenset[int],
    BeforeValidator(parse_days),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "examples": ["mon-fri"],
        }
    ),
]
Moment = Annotated[
    datetime,
    BeforeValidator(parse_moment),
    WithJsonSchema({"type": "string", "pattern": f"^{_MOMENT_PATTERN}$"}),
]
Trial = Annotated[
    datetime,
    BeforeValidator(parse_trial),
    WithJsonSchema(
        {"type": "string", "pattern": f"^until {_MOMENT_PATTERN}$", "examples": ["until 2026-12-15"]}
    ),
]
