"""What a receiver's headers say about time: `Retry-After`, and how far its clock is from ours.

Rules: header names are lower case; instants are UTC nanoseconds; what cannot be read is as if it
were not there, for a receiver's mistake must not stop a delivery.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from agent.delivery.schedule import LONGEST_RETRY_AFTER
from agent.model import SECOND

_SECONDS: Final = re.compile(r"(\d{1,18})(?:\.(\d*))?", re.ASCII)

# Before this program was written, and after anybody will run it: such a `Date` is no clock (C2, "bounded").
_EARLIEST_DATE: Final = 1_767_225_600 * SECOND  # 2026-01-01
_LATEST_DATE: Final = 4_102_444_800 * SECOND  # 2100-01-01
# `Date` has whole seconds and the way takes time: less than this is not a difference.
_CLOCKS_AGREE: Final = 2 * SECOND


def http_date(text: str) -> int | None:
    """Read an HTTP date (RFC 9110, 5.6.7; all three forms) as UTC nanoseconds; None if it is none."""
    try:
        when = parsedate_to_datetime(text)
        return int(when.replace(tzinfo=when.tzinfo or UTC).timestamp()) * SECOND
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], wall: int) -> int | None:
    """How long the receiver asks us to wait, nanoseconds; None if it names no wait that can be kept.

    Seconds are taken with a fraction too and rounded up (receivers do send `120.1`); a date is
    relative to the answer's own `Date`, so that our clock does not matter, else to `wall`. No wait
    at all (0, a date gone by) is no instruction: taken at its word it would have us knock without
    pause. At most 24 hours.
    """
    text = headers.get("retry-after", "").strip()
    if match := _SECONDS.fullmatch(text):
        rounded_up = bool(match[2] and match[2].strip("0"))
        wait = (int(match[1]) + rounded_up) * SECOND
    elif (date := http_date(text)) is not None:
        told = http_date(headers.get("date", ""))
        wait = date - (wall if told is None else told)
    else:
        return None
    return min(wait, LONGEST_RETRY_AFTER) if wait > 0 else None


def receiver_time(date: str | None) -> int | None:
    """What time it is by an answer's `Date`, UTC nanoseconds, the middle of its second; None if that is no clock."""
    told = http_date(date) if date else None
    return told + SECOND // 2 if told is not None and _EARLIEST_DATE <= told <= _LATEST_DATE else None


def clock_offset(known: int, date: str | None, wall: int) -> int:
    """How far the receiver's clock is ahead of ours, nanoseconds, after an answer; 0 when they agree.

    Args:
        known: what was believed before; kept when the answer says nothing new, so that the whole
            seconds of `Date` do not make it flicker.
        date: the answer's `Date` header.
        wall: our clock when the answer came.
    """
    told = receiver_time(date)
    if told is None:
        return known
    measured = told - wall
    if abs(measured) <= _CLOCKS_AGREE:
        return 0
    return known if abs(measured - known) <= _CLOCKS_AGREE else measured
