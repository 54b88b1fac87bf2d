"""What a backtest found: frozen values, for the table, for JSON and for the report.

All instants are nanoseconds UTC as the history has them, all durations nanoseconds.

    Backtest   the history, a series a tag, and one `Side` for each configuration
    Side       what one configuration made of the history: its rules, and all of them together
    RuleResult one rule instance: figures, events, what its machines did, what could be better
    Series     one tag, decimated (`seen`)

Rules for whoever changes it: everything here is bounded, however long the history is. Figures are exact;
what is only looked at (events, stretches, samples of durations, buckets) is thinned, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agent.model import EventType, Priority, Value
from agent.proving.seen import Normal, Series
from agent.rules.spec import RuleSpec


class Doing(StrEnum):
    """What a rule or one of its conditions was doing for a while."""

    PENDING = "pending"
    ACTIVE = "active"
    CLEARING = "clearing"
    SUPPRESSED = "suppressed"
    DISABLED = "disabled"
    BLIND = "blind"


class Stretch(NamedTuple):
    """From `begin` up to `end`, `condition` (`high_high`) was `doing` that.

    The condition is empty where it is the rule as a whole: SUPPRESSED (gate: redundant), DISABLED (gate:
    makes no sense) and BLIND (no fresh good value).
    """

    condition: str
    doing: Doing
    begin: int
    end: int


class Told(NamedTuple):
    """One event that would have been sent.

    Attributes:
        seq: its number in the whole timeline, from 1.
        condition: the level it speaks of (`high_high`, `is`, `change`).
        value: the value it carries; None: none, or unknown.
    """

    seq: int
    at: int
    type: EventType
    condition: str
    priority: Priority
    value: Value | None
    message: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Alarms counted, of one rule or of all; exact.

    Attributes:
        alarms: `alarm.raised` events.
        events: all events, reports by exception and journal entries included.
        per_day: alarms a day over the span of the history.
        per_10_minutes: the average.
        peak_10_minutes, peak_hour: the most alarms in any 10 minutes, and in any hour, of the clock.
        flood_share: share of the time in flood: more than 10 alarms in 10 minutes until fewer than 5 are.
        chattering: alarms that were the third or later of their rule within 60 seconds.
        fleeting: alarms that returned within 60 seconds.
        standing: alarms that stood for more than 24 hours (those still open at the end included).
        blind, suppressed, disabled: how long (of all rules: the sum).
        detection_delay: what on-delay and the time between two readings add before the most severe
            condition is told, at the worst; None: it has none (all rules: the longest).
    """

    alarms: int
    events: int
    per_day: float
    per_10_minutes: float
    peak_10_minutes: int
    peak_hour: int
    flood_share: float
    chattering: int
    fleeting: int
    standing: int
    blind: int
    suppressed: int
    disabled: int
    detection_delay: int | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What would make a rule quieter, or a sentence on why that cannot be told.

    Attributes:
        condition: which limit; empty: the rule.
        key: `deadband`, `on_delay`, `off_delay` or `limit`.
        present, suggested: as they are written in the configuration (`0.5`, `10s`); `suggested` is
            empty where there is only something to be said.
        text: the reason, one sentence.
        insufficient: there is too little data to tell: for scripts, and nothing for a person to read.
    """

    condition: str
    key: str
    present: str
    suggested: str
    text: str
    insufficient: bool = False


@dataclass(frozen=True, slots=True)
class Excursions:
    """How a condition came and went, whether it was announced or not (evenly thinned if very many).

    Attributes:
        condition: its name.
        on_delay, off_delay: as configured: where the two histograms are cut.
        count: how many excursions there were.
        lengths: how long the value was beyond the limit (or in its deadband) each time.
        fleeting: lengths of those that were over within 60 seconds.
        apart: from the end of one excursion to the beginning of the next: clear-to-raise gaps.
    """

    condition: str
    on_delay: int
    off_delay: int
    count: int
    lengths: tuple[int, ...]
    fleeting: tuple[int, ...]
    apart: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule instance made of the history.

    Attributes:
        spec: the rule; `spec.name` is the instance.
        sentence: the rule as a sentence for people; empty where nobody wrote one yet.
        tags: the tags it looks at that are in the history, its subject first.
        events: the first of them, in order of time.
        events_left_out: how many more there were.
        stretches: what its conditions and the rule did, in order of time; neighbours are joined if
            there are very many.
        excursions: one for each condition that is a limit or a state.
        hours: alarms by hour: the key is the hour's beginning, nanoseconds UTC; hours without are absent.
        suggestions: what to change.
        normal: its tag in normal operation; None of a rule without limits, or that compares another number.
        compared: the number that its measures or its calculation made, as a series without a name; None
            of a rule that compares the tag's very value.
    """

    spec: RuleSpec
    sentence: str
    tags: tuple[str, ...]
    figures: Figures
    events: tuple[Told, ...]
    events_left_out: int
    stretches: tuple[Stretch, ...]
    excursions: tuple[Excursions, ...]
    hours: Mapping[int, int]
    suggestions: tuple[Suggestion, ...]
    normal: Normal | None = None
    compared: Series | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """What one configuration made of the history.

    Attributes:
        name: the path of the configuration.
        rules: in the order of the file; those over connections are left out.
        total: of all rules together.
        hours: alarms of all rules by hour, as in RuleResult.
        floods: (begin, end) of each alarm flood.
        top_ten_share: share of the alarms that came from the ten rules with the most.
        priorities: how many alarms were raised at each priority.
    """

    name: str
    rules: tuple[RuleResult, ...]
    total: Figures
    hours: Mapping[int, int]
    floods: tuple[tuple[int, int], ...]
    top_ten_share: float
    priorities: Mapping[Priority, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """Alarms of one rule under the old and the new configuration; None: that one does not have the rule."""

    rule: str
    before: int | None
    after: int | None
    per_week: float  # after less before


@dataclass(frozen=True, slots=True)
class Backtest:
    """A history under one configuration, or under two.

    Attributes:
        files: what was read, in order.
        begin, end: the first and the last instant.
        samples: readings of known tags.
        zone: of the plant (IANA name): its hours are the calendar's.
        series: by tag: every configured tag of the history, in the order of the configuration.
        side: the configuration under test.
        against: the old one; None: none was given.
        differences: rules whose number of alarms differs, the greatest difference first.
        unknown_tags: samples by name, of tags that are in the history and not in the configuration.
        without_history: names of rules that look at a tag which is not in the history, and that tag.
        naive: some stamps had no zone of their own, and were read as the plant's.
    """

    files: tuple[str, ...]
    begin: int
    end: int
    samples: int
    zone: str
    series: Mapping[str, Series]
    side: Side
    against: Side | None
    differences: tuple[Difference, ...]
    unknown_tags: Mapping[str, int]
    without_history: Mapping[str, str]
    naive: bool = False

    @property
    def span(self) -> int:
        """From the first sample to the last."""
        return self.end - self.begin
