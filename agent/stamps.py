"""UTC stamps as receivers see them: RFC 3339, milliseconds, `Z`; and how far they are to be believed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache

from agent.model import MILLISECOND, SECOND


class Standing(IntEnum):
    """How far a wall clock is believed; the numbers are on disk and never change their meaning."""

    WRONG = 0
    UNPROVEN = 1
    TRUSTED = 2

    @property
    def word(self) -> str:
        """The word of the log and of the status."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How instants become stamps: `instant + offset` is nanoseconds UTC, as far as the clock is believed."""

    offset: int
    standing: Standing = Standing.TRUSTED


def utc_text(wall: int) -> str:
    """Write nanoseconds since 1970 UTC as `2026-11-21T08:00:03.120Z` (milliseconds, cut, not rounded)."""
    seconds, rest = divmod(wall, SECOND)
    return f"{_second(seconds)}.{rest // MILLISECOND:03d}Z"


@lru_cache(maxsize=128)  # what is written within a second has the same one, and calendars are slow
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
