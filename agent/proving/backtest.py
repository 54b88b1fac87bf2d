"""A history through the rules: what would have been told (design: rules, "Proving a rule before it runs").

    History -> portions -> SeriesRecord a tag, and a Lane for each configuration -> Backtest

There is no connection in a history: a value is fresh for its tag's `stale_after`, or for three times the
tag's median interval where none is configured or the history is coarser than that. Sources are up all
the time and rules over them are not shown. Rules on trial are shown as if in force.

Rules for whoever changes it: one pass, bounded memory; instants are nanoseconds UTC throughout.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from agent.config.model import Configuration
from agent.config.times import zone_of
from agent.errors import EdgeRelayError
from agent.model import SECOND, TagSpec
from agent.proving.columns import Column
from agent.proving.curve import MOST_BUCKETS
from agent.proving.figures import HOUR, Cut
from agent.proving.history import History
from agent.proving.lane import Extremes, Lane
from agent.proving.results import Backtest
from agent.proving.seen import Series
from agent.proving.sender import Sender
from agent.proving.series import SeriesRecord
from agent.proving.sheet import HistoryError
from agent.proving.sides import differences, missing, side
from agent.rules.dependencies import expressions_of
from agent.rules.spec import AlarmSpec, RuleSpec

Progress: TypeAlias = Callable[[float, int], None]
"""Told after each portion: the share that is done, and the samples so far."""

_FRESH_FOR: Final = 3  # median intervals
_NAMED: Final = 5  # unknown tags in a message


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration, and what to call it."""

    name: str
    configuration: Configuration


def backtest(
    paths: Sequence[Path],
    candidate: Candidate,
    against: Candidate | None = None,
    *,
    rule: str = "*",
    write: Callable[[bytes], object] | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Play a history to a configuration, or to two.

    Args:
        paths: CSV files.
        candidate: the configuration under test.
        against: the old one.
        rule: of which rules, as a pattern of their names (`P1*`).
        write: takes each event of the candidate as it would be sent, one line of JSON each.
        progress: see `Progress`.

    Raises:
        HistoryError: the history cannot be read, or has nothing of the configured tags.
        EdgeRelayError: no rule has such a name.
    """
    run = _Run(paths, candidate, against)
    run.begin(rule, write)
    for portion in run.portions:
        run.take(portion)
        if progress is not None:
            progress(run.history.position / max(run.history.size, 1), run.samples)
    return run.result()


class _Run:
    """One pass over the history."""

    def __init__(self, paths: Sequence[Path], candidate: Candidate, against: Candidate | None) -> None:
        self.paths = paths
        self.candidates = [candidate] if against is None else [candidate, against]
        self.known = _tags(reversed(self.candidates))
        kinds = {name: tag.kind for name, tag in self.known.items()}
        self.zone = candidate.configuration.agent.zone
        self.history = History(paths, kinds, self.zone)
        self.intervals = self.history.intervals()
        self.portions: Iterator[list[Column]] = self.history.portions()
        self.records: dict[str, SeriesRecord] = {}
        self.samples = self.first = self.last = self.width = 0
        self.lanes: list[Lane] = []

    def begin(self, rule: str, write: Callable[[bytes], object] | None) -> None:
        """Look at the first samples, and start the engines there."""
        portion = next(self.portions, None)
        if portion is None:
            unknown = ", ".join(list(self.history.unknown)[:_NAMED])
            names = f": it has {unknown}" if unknown else ""
            raise HistoryError(f"{self.paths[0]}: no sample of a configured tag{names}")
        self.portions = chain([portion], self.portions)
        self.first = min(column.times[0] for column in portion)
        last = max(column.times[-1] for column in portion)
        whole = (last - self.first) * self.history.size // max(self.history.position, 1)
        self.width = whole // (2 * MOST_BUCKETS)
        for index, each in enumerate(self.candidates):
            agent, sender = each.configuration.agent, None
            if index == 0 and write is not None:
                sender = Sender(write, agent.site, agent.name, each.configuration.flood)
            self.lanes.append(self._lane(each.configuration, rule, sender))
        if not any(lane.records for lane in self.lanes):
            raise EdgeRelayError(
                f"no rule over tags has a name like {rule!r}: leave --rule out to see them all"
            )

    def _lane(self, configuration: Configuration, rule: str, sender: Sender | None) -> Lane:
        asked = frozenset[str]().union(
            *(each.rules for spec in configuration.rules for each in expressions_of(spec))
        )
        rules: list[RuleSpec] = []
        shown: list[str] = []
        for spec in configuration.rules:
            over_tags = not (isinstance(spec, AlarmSpec) and spec.of_source)
            wanted = over_tags and (fnmatchcase(spec.name, rule) or fnmatchcase(spec.rule, rule))
            if wanted:
                shown.append(spec.name)
            if wanted or spec.name in asked or spec.rule in asked:
                rules.append(replace(spec, gate=replace(spec.gate, trial_until=None)))
        tags = [self._as_in_history(tag) for tag in configuration.tags.values()]
        return Lane(rules, shown, tags, configuration.sources, self.first, sender=sender, cut=self._cut())

    def _cut(self) -> Cut:
        offset = datetime.fromtimestamp(self.first // SECOND, zone_of(self.zone)).utcoffset() or timedelta()
        return Cut(self.width, offset // timedelta(seconds=1) * SECOND % HOUR)

    def _as_in_history(self, tag: TagSpec) -> TagSpec:
        interval = self.intervals.get(tag.name)
        stale = tag.stale_after
        if interval is not None and (stale is None or stale < interval):
            stale = _FRESH_FOR * interval
        return replace(tag, stale_after=stale, timed=False)

    def take(self, portion: Sequence[Column]) -> None:
        """Play a portion to everybody."""
        extremes: dict[str, tuple[float, float] | None] = {}
        for column in portion:
            tag, times = column.tag, column.times
            if tag not in self.records:
                spec = self._as_in_history(self.known[tag])
                interval = self.intervals.get(tag, 0)
                self.records[tag] = SeriesRecord(
                    self.known[tag], interval, spec.stale_after, self.first, self.width
                )
            extremes[tag] = self.records[tag].add(column)
            self.samples += len(times)
            self.last = max(self.last, times[-1])
        self._play(portion, extremes)

    def _play(self, portion: Sequence[Column], extremes: Extremes) -> None:
        for lane in self.lanes:
            lane.take(portion, extremes)

    def result(self) -> Backtest:
        """End the history, and put together what was found."""
        series = {name: self.records[name].series(self.last) for name in self.known if name in self.records}
        sides = []
        for lane, each in zip(self.lanes, self.candidates, strict=True):
            lane.end(self.last)
            tags = each.configuration.tags
            sides.append(side(each.name, lane, series, tags, self.first, self.last))
        against = sides[1] if len(sides) > 1 else None
        span = self.last - self.first
        return Backtest(
            files=tuple(map(str, self.paths)),
            begin=self.first,
            end=self.last,
            samples=self.samples,
            zone=self.zone,
            series=series,
            side=sides[0],
            against=against,
            differences=tuple(differences(against, sides[0], span)) if against is not None else (),
            unknown_tags=self.history.unknown,
            without_history=_without(self.lanes[0], series),
            naive=self.history.naive,
        )


def _tags(candidates: Iterable[Candidate]) -> dict[str, TagSpec]:
    """Every tag; of one that stands in both, what the configuration under test says."""
    known: dict[str, TagSpec] = {}
    for each in candidates:
        known.update(each.configuration.tags)
    return known


def _without(lane: Lane, series: Mapping[str, Series]) -> dict[str, str]:
    named = {name: missing(record.spec, series) for name, record in lane.records.items()}
    return {name: tag for name, tag in named.items() if tag}
