"""What is held back of a log that says the same again and again, so that a stuck plant does not fill the disk.

The same: from the same call, with the same arguments but for numbers (`back after 32 s` is `back after 7 s`, but
tag T1 is not tag T2). It is told three times, then held back, and every ten minutes told once with its count. One
call has room for a hundred different lines at once and one more every two minutes: flapping tags come in ever new
combinations. All calls together have room for a thousand lines at once and one more a second, errors the longest.

Rules for whoever changes this: nothing is held back unsaid, each line that is not told is in a count that is;
time is passed in (monotonic nanoseconds).
"""

import logging
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final

from agent.logs.lines import Line
from agent.model import SECOND

PERIOD: Final = 600 * SECOND
_MINUTE: Final = 60 * SECOND
_SAME: Final = 3
_EACH_SUMMED: Final = 3  # of one call, each with a count of its own; the others are summed up
_SEEN: Final = 500  # different lines of one call that are told apart
_FORGET_AFTER: Final = 20  # periods, after which the room of a call is whole again
_LEFT_FOR_ERRORS: Final = 200
_MINUTES_FROM: Final = 100  # seconds


class _Room:
    """Lines that may be told: `most` at once, one more every `every` nanoseconds."""

    def __init__(self, most: int, every: int) -> None:
        self._most, self._every = most, every
        self._left, self._since = most, 0

    def take(self, now: int, *, leave: int = 0) -> bool:
        """Whether there is room for one, and `leave` more."""
        more = (now - self._since) // self._every
        self._left = min(self._most, self._left + more)
        self._since += more * self._every
        if self._left <= leave:
            return False
        self._left -= 1
        return True


@dataclass
class _Same:
    """One line: how often it was told in this period and how often held back, and as it was last."""

    line: Line
    at: int
    told: int = 0
    held: int = 0


@dataclass
class _Call:
    """All lines of one call; `idle`: for how many periods it has held nothing back."""

    since: int
    room: _Room = field(default_factory=lambda: _Room(100, 2 * _MINUTE))
    seen: dict[Hashable, _Same] = field(default_factory=dict)
    idle: int = 0


class Restraint:
    """Takes every line; gives those that are told now."""

    def __init__(self) -> None:
        self._calls: dict[Hashable, _Call] = {}
        self._room = _Room(1_000, SECOND)
        self._left_out = self._errors_left_out = 0
        self._left_out_since: int | None = None

    def take(self, line: Line, record: logging.LogRecord, now: int) -> list[Line]:
        """The lines to tell now that this has been logged."""
        site = (record.name, record.pathname, record.lineno)
        call = self._calls.setdefault(site, _Call(now))
        what = _what(record)
        if what not in call.seen and len(call.seen) >= _SEEN:
            what = None  # the others, told apart no longer
        same = call.seen.setdefault(what, _Same(line, now))
        same.line, same.at = line, now
        if same.told < _SAME and call.room.take(now):
            same.told += 1
            return self._within_bounds([line], now)
        same.held += 1
        return []

    def next_due(self) -> int | None:
        """When `due` has something to look at; None: nothing is kept in mind."""
        ends = [call.since + PERIOD for call in self._calls.values()]
        if self._left_out_since is not None:
            ends.append(self._left_out_since + _MINUTE)
        return min(ends, default=None)

    def due(self, now: int, wall: int, *, ending: bool = False) -> list[Line]:
        """The counts whose period is over; all of them at the end. `wall`: their stamp."""
        told: list[Line] = []
        for site, call in list(self._calls.items()):
            if ending or now - call.since >= PERIOD:
                told += self._within_bounds(list(_counts(call, now, wall)), now)
                self._begin_anew(site, call, now)
        since = self._left_out_since
        if since is not None and (ending or now - since >= _MINUTE):
            told.append(self._what_was_left_out(now - since, wall))
        return told

    def _begin_anew(self, site: Hashable, call: _Call, now: int) -> None:
        """A new period: what was repeated stays held back; a call that was good for long is forgotten."""
        call.seen = {what: _Same(same.line, same.at, _SAME) for what, same in call.seen.items() if same.held}
        call.idle = 0 if call.seen else call.idle + 1
        call.since = now
        if call.idle > _FORGET_AFTER:
            del self._calls[site]

    def _within_bounds(self, lines: list[Line], now: int) -> list[Line]:
        told = []
        for line in lines:
            error = line.level >= logging.ERROR
            if self._room.take(now, leave=0 if error else _LEFT_FOR_ERRORS):
                told.append(line)
                continue
            self._left_out += 1
            self._errors_left_out += error
            if self._left_out_since is None:
                self._left_out_since = now
        return told

    def _what_was_left_out(self, took: int, wall: int) -> Line:
        errors = f", {self._errors_left_out} of them errors" if self._errors_left_out else ""
        message = (
            f"{self._left_out} lines were left out of the log in {_time(took)}{errors}: there were too many"
        )
        self._left_out = self._errors_left_out = 0
        self._left_out_since = None
        return Line(logging.WARNING, __name__, message, wall)


def _what(record: logging.LogRecord) -> Hashable:
    """What makes two lines of one call the same."""
    arguments = record.args if isinstance(record.args, tuple) else (record.args,)
    words = [str(of) for of in arguments if not isinstance(of, int | float)]
    return (record.levelno, str(record.msg), record.exc_info[0] if record.exc_info else None, *words)


def _counts(call: _Call, now: int, wall: int) -> Iterator[Line]:
    """What was held back, the latest last, so that the log ends with what is so now."""
    held = sorted((same for same in call.seen.values() if same.held), key=lambda same: same.at)
    took = _time(now - call.since)
    if others := held[:-_EACH_SUMMED]:
        count = sum(same.held for same in others)
        yield _counted(
            others[-1], f"and {len(others) - 1} others like it, {count} lines in {took}", now, wall
        )
    for same in held[-_EACH_SUMMED:]:
        times = "once more" if same.held == 1 else f"{same.held} times"
        yield _counted(same, f"repeated {times} in {took}", now, wall)


def _counted(same: _Same, words: str, now: int, wall: int) -> Line:
    message = f"{same.line.message} ({words}, the last {_time(now - same.at)} ago)"
    return same.line._replace(message=message, wall=wall, trace="")


def _time(span: int) -> str:
    seconds = round(span / SECOND)
    return f"{seconds} s" if seconds < _MINUTES_FROM else f"{round(seconds / 60)} min"
