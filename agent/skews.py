"""Which of a source's clocks receivers are told of: one that went wrong, is right again, or stands still.

Rules for whoever changes this: a stamp out of the blue is no clock; what is told once is told again only
when it has changed by what is worth telling; one message for all tags of a look.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Final

from agent.arrivals import WORTH_TELLING, Arrivals, clock_words
from agent.model import SECOND, Json
from agent.stamps import Standing

_log = logging.getLogger(__name__)

_STILL: Final = (
    "the device's clock stands still, so its stamps are not used: set it, or have a time server set it"
)
_STEADY_FOR: Final = 10 * SECOND  # a stamp out of the blue is no clock


class Skews:
    """What was told of the clocks of one source."""

    def __init__(self, source: str, arrivals: Arrivals) -> None:
        self._source = source
        self._arrivals = arrivals
        self._told: dict[str, int] = {}  # what was told of clocks, nanoseconds behind
        self._doubted: dict[str, tuple[int, int]] = {}  # what they seem, and since when
        self._still: set[str] = set()

    def look(self, now: int, standing: Standing) -> Iterator[dict[str, Json]]:
        """Give the data of each event that is to be told now; `standing` is that of the agent's own clock."""
        if standing is not Standing.WRONG and (skewed := self._skewed(now)):
            yield skewed
        if stopped := self._stopped():
            yield stopped

    def worst_s(self) -> float | None:
        """How far the worst clock is ahead, seconds; None: none is worth telling."""
        worst = max((clock.behind for clock in self._arrivals.clocks.values()), key=abs, default=0)
        return -worst / SECOND if abs(worst) > WORTH_TELLING else None

    def _skewed(self, now: int) -> dict[str, Json]:
        """What is to be told of clocks that went wrong, or are right again: one message for all of them."""
        tell: dict[str, int] = {}
        clocks = self._arrivals.clocks
        if len(self._told) > len(clocks):  # of tags that are forgotten
            self._told = {key: told for key, told in self._told.items() if key in clocks}
            self._doubted = {key: seemed for key, seemed in self._doubted.items() if key in clocks}
        for key, clock in clocks.items():
            told, behind = self._told.get(key, 0), clock.behind
            if abs(behind - told) <= WORTH_TELLING:
                self._doubted.pop(key, None)
                continue
            seemed, since = self._doubted.setdefault(key, (behind, now))
            if abs(seemed - behind) > WORTH_TELLING:
                self._doubted[key] = (behind, now)
            elif now - since >= _STEADY_FOR:
                tell[key] = behind
        if not tell:
            return {}
        for key, behind in tell.items():
            self._told[key] = behind
            del self._doubted[key]
        worst = max(tell.values(), key=abs)
        return self._clock_told(tell, -worst / SECOND, clock_words(worst))

    def _stopped(self) -> dict[str, Json]:
        """What is to be told of clocks that stand still since the last look."""
        still = {key for key, clock in self._arrivals.clocks.items() if clock.still}
        new, self._still = still - self._still, still
        return self._clock_told(new, None, _STILL) if new else {}

    def _clock_told(self, keys: Iterable[str], skew: float | None, words: str) -> dict[str, Json]:
        _log.warning("source %s: %s", self._source, words)
        tags: list[Json] = [key for key in sorted(keys) if key]
        data: dict[str, Json] = {"source": self._source, "skew_s": skew, "reason": words}
        return data | ({"tags": tags} if tags else {})
