"""What people are told of a destination."""

from dataclasses import dataclass
from enum import StrEnum


class DestinationState(StrEnum):
    """How a destination is."""

    HEALTHY = "healthy"
    WAITING = "waiting"  # it failed a moment ago, and is tried again soon
    FAILING = "failing"  # it has failed for so long that people were told
    PAUSED = "paused"  # a person wants nothing sent there for now
    DISABLED = "disabled"  # it wants nothing more, until a person enables it


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One snapshot.

    Attributes:
        state: how it is.
        reason: why it is not healthy.
        failures: attempts that failed in a row, if they are the destination's; 0 while healthy.
        for_s: seconds since the first failure; 0 while healthy.
        retry_in_s: seconds until the next attempt may be made; 0: at once.
        in_memory: deliveries that wait here; more may wait in the store.
        in_flight: attempts under way.
        concurrency: how many may be at the most.
        width: how many may be, now; fewer than `concurrency` after an outage.
        delivered: events it took since the agent started.
        latency_s: of the last answer; None before the first.
        clock_offset_s: how far its clock is ahead of ours.
        attempts, succeeded, median_s: of the newest attempts, a hundred at most: how many they are, how many
            succeeded, and the median seconds of those that were answered (None: none was).
    """

    state: DestinationState
    reason: str
    failures: int
    for_s: int
    retry_in_s: int
    in_memory: int
    in_flight: int
    concurrency: int
    width: int
    delivered: int
    latency_s: float | None
    clock_offset_s: float
    attempts: int
    succeeded: int
    median_s: float | None
