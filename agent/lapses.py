"""When a source was not watched: interruptions worth telling, and tags of which nothing comes.

Rules for whoever changes this: pure, in monotonic nanoseconds; whoever looks each second is told each
thing once.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from agent.model import SECOND, TagSpec

_HELD_FOR: Final = 10 * SECOND
"""So long a connection must have held before the interruption counts as over: a loose plug is one, not fifty."""

_STARTS_WITHIN: Final = 3 * SECOND
"""What a source takes to connect when the agent starts is no interruption."""

_WORTH_TELLING: Final = SECOND

_LATE_AFTER: Final = 5 * SECOND
"""What is polled many times a second is not told to people as late for a moment's load of the machine."""

_FIRST_WITHIN: Final = 15 * SECOND


@dataclass(frozen=True, slots=True)
class Interruption:
    """Nothing was read from `since` until `until`, because of `reason`."""

    since: int
    until: int
    reason: str


class Connection:
    """The ups and downs of one source; it begins down."""

    def __init__(self, started: int) -> None:
        self._down_since: int | None = None
        self._up_since: int | None = None
        self._started: int | None = started
        self._reason = ""

    def down(self, at: int, reason: str) -> None:
        """It is lost, or could not be had."""
        self._up_since = None
        if self._down_since is None:
            self._down_since = at if self._started is None else self._started
        self._reason = self._reason or reason

    def up(self, at: int) -> None:
        """It is proven."""
        self._down_since = self._began(at)
        self._up_since, self._started = at, None

    def _began(self, now: int) -> int | None:
        """Since when nothing is read; a first connection that takes its time counts from the start."""
        if self._down_since is None and self._started is not None and now - self._started > _STARTS_WITHIN:
            return self._started
        return self._down_since

    def interruption(self, now: int) -> Interruption | None:
        """What is over and was not told yet."""
        if self._up_since is None or now - self._up_since < _HELD_FOR:
            return None
        told = self.open(now)
        self._down_since, self._reason = None, ""
        return told

    def open(self, now: int) -> Interruption | None:
        """What would be untold if the agent ended now."""
        since, until = self._began(now), now if self._up_since is None else self._up_since
        if since is None or until - since < _WORTH_TELLING:
            return None
        return Interruption(since, until, self._reason or "the connection was not there yet")

    def untold(self, now: int) -> bytes | None:
        """The same, to be kept until it is told, as JSON: `[since, until, reason]`; until null: it lasts."""
        open_ = self.open(now)
        return None if open_ is None else json.dumps([open_.since, self._up_since, open_.reason]).encode()


class Overdue:
    """Tags of which nothing has come for longer than a value counts as fresh."""

    def __init__(self) -> None:
        self._heard: dict[str, int] = {}

    def hear(self, tag: str, at: int) -> None:
        """Something came, good or bad."""
        self._heard[tag] = at

    def connected(self) -> None:
        """A connection begins: what came through the last one does not count."""
        self._heard.clear()

    def since(self, now: int, up_since: int, specs: Iterable[TagSpec]) -> dict[str, int]:
        """Since when nothing has come, of each tag that should have.

        A tag whose device speaks when it likes (no `stale_after`) should have come once.
        """
        overdue = {}
        for spec in specs:
            tag, limit = spec.name, spec.stale_after
            heard = self._heard.get(tag)
            if limit is None and heard is not None:
                continue
            allowed = _FIRST_WITHIN if limit is None else max(limit, _LATE_AFTER)
            if now - (last := up_since if heard is None else heard) > allowed:
                overdue[tag] = last
        return overdue
