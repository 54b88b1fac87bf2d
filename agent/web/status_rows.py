"""What `GET /api/status` answers, and `edge-relay status --json` prints.

Rules for whoever changes this: as in `agent.web.rows`; `..._s` are seconds.
"""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from agent.web.rows import AlarmRow


class AgentStatus(TypedDict):
    """Which agent it is, and for how long it has run; event numbers count within an `epoch`."""

    site: str
    name: str
    version: str
    epoch: str
    for_s: int


class ClockStatus(TypedDict):
    """How far the wall clock is believed, and why."""

    standing: Literal["trusted", "unproven", "wrong"]
    why: str


class RoomStatus(TypedDict):
    """How much the store takes, bytes; until it has looked for the first time, its limit alone.

    `lost`: deliveries given up for want of room, by destination. `ballast`: what is let go of so that a
    full disk still takes the alarms.
    """

    limit: int
    size: NotRequired[int]
    used: NotRequired[int]
    room: NotRequired[int]
    undelivered_share: NotRequired[float]
    filling: NotRequired[bool]
    lost: NotRequired[dict[str, int]]
    ballast: NotRequired[bool]


class StoreStatus(TypedDict):
    """What is stored: `seq` is the newest number; `unavailable`: why nothing can be, null while it can."""

    seq: int
    waiting: int
    dead: int
    unavailable: str | None
    room: RoomStatus


class UnreadableRow(TypedDict):
    """What came and could not be read: the newest from a place, and how often."""

    place: str
    ago_s: int
    reason: str
    payload: str
    count: int


class Unreadable(TypedDict):
    """How much could not be read since the agent started, and the newest from each place."""

    total: int
    last: list[UnreadableRow]


class SourceStatus(TypedDict):
    """A source: why it is not up, which of its tags cannot be read and why, and which are late by how much.

    `skew_s`: how far the device's clock is ahead; null: not worth telling.
    """

    type: str
    state: Literal["up", "down", "paused"]
    for_s: int
    reason: str
    tags: int
    bad: dict[str, str]
    late: dict[str, int]
    skew_s: float | None
    unreadable: Unreadable


class DestinationStatus(TypedDict):
    """A destination: why it is not healthy, what waits for it, and how it gets on.

    `failures`: attempts in a row; `for_s`: since the first of them. `retry_in_s`: 0: at once. `in_memory`:
    as many of those that wait. `width`: how many attempts may be under way now, of `concurrency`.
    `delivered`: since the agent started. `attempts`, `succeeded`, `median_s`: of the newest attempts, a
    hundred at most; the median is of those that were answered. `oldest_s`: age of the oldest that waits.
    """

    state: Literal["healthy", "waiting", "failing", "paused", "disabled"]
    reason: str
    failures: int
    for_s: int
    retry_in_s: int
    in_memory: int
    in_flight: int
    concurrency: int
    width: int
    delivered: int
    attempts: int
    succeeded: int
    median_s: float | None
    latency_s: float | None
    clock_offset_s: float
    waiting: int
    dead: int
    oldest_s: float | None


class RelayStatus(TypedDict):
    """A relay of incoming webhooks: how many messages were taken, and how many could not be used."""

    type: str
    state: Literal["up", "down", "held"]
    for_s: int
    reason: str
    taken: int
    unusable: int


class SamplesStatus(TypedDict):
    """Whether what was seen is kept for `backtest` and `why`, and why it is not at present."""

    kept: bool
    unavailable: str | None


class Status(TypedDict):
    """What is going on.

    `problems`: why the agent does not do all of its work, a sentence each. `rejected`: why a changed
    configuration is not in force. `warnings`: of the configuration in force. `attention`: what somebody should
    see to although the agent does its work. `unwatched`: how many rules there are of which nothing would be told.
    """

    agent: AgentStatus
    clock: ClockStatus
    problems: list[str]
    alarms: list[AlarmRow]
    unwatched: int
    store: StoreStatus
    sources: dict[str, SourceStatus]
    destinations: dict[str, DestinationStatus]
    relays: dict[str, RelayStatus]
    rejected: list[str]
    samples: SamplesStatus
    warnings: list[str]
    attention: list[str]
