"""What is kept of an attempt: a line in the log, a count, and the record that a person reads."""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from prometheus_client import Counter

from agent.delivery.judge import Crash, Delivered, Verdict
from agent.dispatch.entry import Entry
from agent.metrics import ATTEMPTS, DELIVERY_LATENCY
from agent.model import Answer, NoAnswer
from agent.store.records import Attempt

_log: Final = logging.getLogger(__name__)

_WINDOW: Final = 100


@dataclass(frozen=True, slots=True)
class Recent:
    """How the newest attempts went.

    Attributes:
        attempts: how many they are.
        succeeded: of how many the receiver has what they carried.
        latency_s: the median of those that were answered; None: none was.
    """

    attempts: int
    succeeded: int
    latency_s: float | None


class Attempts:
    """The attempts of one destination.

    Attributes:
        latency: seconds, of the last answer; None before the first.
    """

    def __init__(self, destination: str) -> None:
        self.latency: float | None = None
        self._name = destination
        self._counts: dict[str, Counter] = {}
        self._latencies = DELIVERY_LATENCY.labels(destination)
        self._newest: deque[tuple[bool, float | None]] = deque(maxlen=_WINDOW)  # delivered, seconds

    def note(self, entries: Sequence[Entry], outcome: Answer | NoAnswer | Crash, verdict: Verdict) -> None:
        """One line and one count an attempt."""
        word = "crash" if isinstance(outcome, Crash) else "none"
        if isinstance(outcome, Answer):
            word = f"{outcome.status // 100}xx"
            self.latency = outcome.latency
            self._latencies.observe(outcome.latency)
        answered = outcome.latency if isinstance(outcome, Answer) else None
        self._newest.append((isinstance(verdict, Delivered), answered))
        if word not in self._counts:
            self._counts[word] = ATTEMPTS.labels(self._name, word)
        self._counts[word].inc()
        _log.debug(
            "delivery attempted: destination=%s seq=%d id=%s events=%d charged=%d outcome=%s verdict=%s",
            self._name,
            entries[0].seq,
            entries[0].delivery.stored.event.id,
            len(entries),
            entries[0].delivery.charged,
            outcome.status if isinstance(outcome, Answer) else outcome.why,
            verdict,
        )

    @property
    def recent(self) -> Recent:
        """The newest, a hundred at most, since the destination was started."""
        latencies = [latency for _, latency in self._newest if latency is not None]
        return Recent(
            len(self._newest),
            sum(delivered for delivered, _ in self._newest),
            median(latencies) if latencies else None,
        )


def attempt_record(outcome: Answer | NoAnswer | Crash, began_wall: int) -> Attempt:
    """What is stored of an attempt that did not end well."""
    if isinstance(outcome, Answer):
        return Attempt(began_wall, outcome.status, outcome.latency, outcome.excerpt)
    return Attempt(began_wall, None, outcome.latency, outcome.why)
