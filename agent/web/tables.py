"""What the page shows, as tables: each a map of rows by key, which `agent.web.live` keeps up to date in every open page.

The stream of `GET /api/live` (text/event-stream) is made of two messages:

    event: state     data: {"now": MS, "tables": {TABLE: {KEY: ROW}}}          all there is, first
    event: change    data: {"now": MS, "tables": {TABLE: {KEY: ROW or null}}}  what has changed; null: gone

`now` is the agent's clock, milliseconds since 1970 UTC: ages are counted by it and not by the browser's. A
`change` comes at the latest every 5 s, empty if need be, so that a page knows whether it is still told.

Rules for whoever changes this: as in `agent.web.rows`; and a row has no field that changes by itself, such
as an age: the page counts these from stamps, or every row would be sent anew each second.
"""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from agent.web.rows import Scalar


class AgentRow(TypedDict):
    """Table `agent`, key `agent`: the head of the page.

    `next_step`: what the page says while there is nothing to see yet (no source, no rule, no destination): the
    next step as a sentence with its command; empty once there is. `alarms_open`, `unwatched_total`: how many
    there are; their tables have the first 500 (of alarms the most urgent).
    """

    site: str
    name: str
    version: str
    started: str
    zone: str
    problems: list[str]
    warnings: list[str]
    clock: str  # trusted, doubtful, wrong ...: the standing
    clock_why: str
    stored: int  # events ever: the newest number
    waiting: int
    dead: int
    store_unavailable: str  # why nothing can be stored; empty while it can
    store_bytes: NotRequired[int]
    store_limit: NotRequired[int]
    filling: NotRequired[bool]
    next_step: str
    alarms_open: int
    unwatched_total: int


class TagRow(TypedDict):
    """Table `tags`: what is known of a tag beside its value; by its name.

    `stale_after_ms`: null: it is fresh for as long as its source is connected.
    """

    source: str
    unit: str
    low: float | None
    high: float | None
    stale_after_ms: int | None


class ValueRow(TypedDict):
    """Table `values`: the last reading of a tag, by its name; no row: none has come yet.

    `at`: when it was received, milliseconds since 1970 UTC by the agent's clock (the stream says its `now`).
    """

    value: Scalar
    quality: Literal["good", "uncertain", "bad"]
    at: int
    reason: NotRequired[str]


class SourceRow(TypedDict):
    """Table `sources`, by name."""

    type: str
    state: Literal["up", "down", "paused"]
    since: str
    reason: str  # why it is not up, in plain words, with the remedy
    tags: int
    bad: int
    late: int
    first_bad: str  # "TAG: why"
    clock_skew_s: float | None


class DestinationRow(TypedDict):
    """Table `destinations`, by name, those of routes too (RELAY/ROUTE).

    `attempts`, `succeeded`, `latency_ms`: of the newest attempts (100 at most) since the agent started; the
    latency is the median of those that were answered, null while there is none. `retry_at`: when what waits
    may be tried again; in the past: any moment now, or it is being tried.
    """

    type: str
    state: str  # healthy, waiting, failing, disabled, paused
    reason: str
    waiting: int
    dead: int
    oldest: str | None  # when the oldest that waits happened
    retry_at: str | None
    attempts: int
    succeeded: int
    latency_ms: float | None


class RelayRow(TypedDict):
    """Table `relays`, by name."""

    type: str
    state: Literal["up", "down", "held"]
    since: str
    reason: str
    taken: int
    unusable: int


class ProblemRow(TypedDict):
    """One problem of a configuration, where it stands."""

    file: str
    line: int
    column: int
    text: str
    severity: Literal["error", "warning"]


class ConfigurationRow(TypedDict):
    """Table `configuration`, key `configuration`: what is in force, and what became of the last change.

    `refused`: a changed configuration is refused, `problems` are its own, and the old one goes on.
    """

    path: str
    loaded: str
    summary: str
    refused: bool
    refused_at: NotRequired[str]
    problems: list[ProblemRow]


# Tables `alarms` (AlarmRow without the `for_s`, and that of its shelf), `unwatched` (UnwatchedRow, same) by
# instance, 500 of each; `events` (EventRow) by seq, `dead_letters` (LetterRow) by DESTINATION/SEQ, `inbound`
# (InboxRow) and `audit` (AuditRow) by their number: the newest 50 of each. The `data` of an event beyond 4 kB
# is cut to what a line of a list needs, and has `"cut": true`: GET /api/events/SEQ has all of it.


class RuleRow(TypedDict):
    """A rule in words."""

    rule: str
    sentence: str
    enabled: bool
    tag: NotRequired[str]
    instances: NotRequired[list[str]]


class Trends(TypedDict):
    """What tags were in the last ten minutes: one number each `every_s` seconds, the newest last, at `until`.

    null: there was none, it was bad, or it is not a number (true and false are 1 and 0). Asked as
    `GET /api/trends?tags=["A","B"]`: a JSON list in one parameter, percent-encoded, for a name may have a
    comma in it; 200 names at most, and a URL of at most 8,000 characters, so that a page asks for the rows
    that are in sight. What is not known is left out of the answer. All have the same length and stand at the
    same moments, so a new question is due each `every_s`.
    """

    every_s: int
    until: int  # milliseconds since 1970 UTC
    trends: dict[str, list[float | None]]


class Whoami(TypedDict):
    """Whose token it was, and what may be done with it.

    `by`: empty: none was given. `may`: `operate` with a token; `read` where this agent can only be read
    without one; `token`: nothing without one.
    """

    by: str
    may: Literal["operate", "read", "token"]
    tokens: bool  # whether any are configured; if not, the page says how one is
