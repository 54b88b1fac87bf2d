"""UTC stamps as receivers see them: RFC 3339, milliseconds, `Z`."""

from datetime import UTC, datetime

from agent.model import MILLISECOND, SECOND


def utc_text(wall: int) -> str:
    """Write nanoseconds since 1970 UTC as `2026-11-21T08:00:03.120Z` (milliseconds, cut, not rounded)."""
    seconds, rest = divmod(wall, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // MILLISECOND:03d}Z"
