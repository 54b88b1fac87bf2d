"""One configuration over the history: its engine, fed with portions, and the records of its rules.

A portion in which a tag does not leave the limits of its rules, while nothing is going on with them,
changes nothing but what was seen last: then only its last sample goes to the engine (`_passes_over`).
What is not so quiet is cut into pieces, and the same is asked of each piece.

Rules for whoever changes it: the engine decides, and the short way gives the same events as the long
one (a test plays random rules over random signals both ways).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, TypeAlias

from agent.model import (
    Event,
    EventType,
    Link,
    Priority,
    Quality,
    Reading,
    Seen,
    TagSpec,
    Tick,
    Value,
    WallClock,
)
from agent.proving.columns import Column
from agent.proving.figures import FINEST, Count, Cut
from agent.proving.record import RuleRecord
from agent.proving.sender import Sender, minter
from agent.rules.engine import Engine
from agent.rules.inputs import FOREVER, Tag
from agent.rules.machine import Phase, Zone
from agent.rules.runs import Run
from agent.rules.spec import OPEN, AlarmSpec, Limit, OnBad, RuleSpec
from agent.rules.state import AlarmState
from agent.rules.zone import zone

Extremes: TypeAlias = Mapping[str, tuple[float, float] | None]
"""The least and the greatest number of each tag in a portion; None where not all are good numbers."""

_PIECE: Final = 32


class Lane:
    """Plays the history to one configuration.

    Args:
        rules: of the engine; those over connections, and others that are only asked for, are among them.
        shown: names of the rules that are followed.
        tags: with the freshness that holds here.
        sources: by name; they are up all the time.
        begin: where the history begins, nanoseconds UTC: the engine's instants are those.
        sender: gets the events; None: nobody wants them.
        cut: of its curves and hours.
        short: False takes the long way, for comparison.

    Attributes:
        records: by rule.
        count: of all alarms.
        priorities: alarms raised at each priority.
    """

    def __init__(
        self,
        rules: Sequence[RuleSpec],
        shown: Iterable[str],
        tags: Iterable[TagSpec],
        sources: Iterable[str],
        begin: int,
        *,
        sender: Sender | None = None,
        cut: Cut = FINEST,
        short: bool = True,
    ) -> None:
        sources = list(sources)
        self.engine = Engine(rules, tags, sources, mint=minter(0), started=begin)
        self.records = {name: RuleRecord(self.engine.runs[name], begin, cut) for name in shown}
        self.count = Count(cut.shift)
        self.priorities = dict.fromkeys(Priority, 0)
        self._sender = sender
        self._short = short
        self._told = 0
        self._unheard: set[str] = set()
        self._heard_from: dict[str, int] = {}
        self._normals = [(each.spec.subject, each.normal) for each in self.records.values() if each.normal]
        self._calculated = [
            (self.engine.runs[name], each.compared)
            for name, each in self.records.items()
            if each.compared is not None and not each.spec.measures
        ]
        self._carried = {tag for rule in rules for tag in rule.wording.fields.values()}
        self.engine.on_step = self._stepped
        self._take([WallClock(begin, 0), *(Link(name, up=True, at=begin) for name in sources)])

    def take(self, portion: Sequence[Column], extremes: Extremes) -> None:
        """Play the next portion."""
        ends: list[Reading] = []
        loud: list[Column] = []
        for column in portion:
            tag = self.engine.tags.get(column.tag)
            if tag is None:
                continue
            self._heard_from.setdefault(column.tag, column.times[0])
            if self._passes_over(tag, extremes[column.tag]):
                ends += column.last()
            else:
                loud.append(column)
        for piece in _pieces(loud):
            batch: list[Reading] = []
            for column in piece:
                numbers = column.numbers
                reach = None if numbers is None else (min(numbers), max(numbers))
                over = self._passes_over(self.engine.tags[column.tag], reach)
                batch += column.last() if over else column.readings()
            self._read(batch)
        self._read(ends)
        self._see_normal(portion)

    def end(self, at: int) -> None:
        """The history ends."""
        self._take([Tick(at)])
        if self._sender is not None:
            self._sender.send((), at)
        self.count.floods.end(at)
        for record in self.records.values():
            record.count.floods.end(at)
            record.standing.end(at)

    def _see_normal(self, portion: Iterable[Column]) -> None:
        """Show the rules their tag's values, now that it is known when they were watched and calm."""
        columns = {column.tag: column for column in portion}
        for tag, normal in self._normals:
            if tag in columns:
                normal.add(*columns[tag].good())

    # --- readings --------------------------------------------------------------------------------------

    def _passes_over(self, tag: Tag, extremes: tuple[float, float] | None) -> bool:
        """No value between the extremes changes anything now, and nobody else looks at the tag."""
        if not self._short or tag.joint or tag.spec.name in self._carried:
            return False
        return not tag.runs or (extremes is not None and all(_quiet(run, *extremes) for run in tag.runs))

    def _read(self, readings: list[Reading]) -> None:
        readings.sort(key=_received)
        if not self._calculated:
            self._take(readings)
            return
        for at, moment in groupby(readings, _received):
            self._take(list(moment))
            for run, compared in self._calculated:
                compared.see(_calculation(run), at)

    def _take(self, batch: Sequence[Seen]) -> None:
        taken = self.engine.take(batch)
        if taken.durable:
            self.engine.keep(taken)
            if taken.events:
                self._tell(taken.events)

    def _stepped(self, run: Run, at: int) -> None:
        record = self.records.get(run.spec.name)
        if record is not None:
            record.step(run.state, at)

    # --- events -----------------------------------------------------------------------------------------

    def _tell(self, events: Sequence[Event]) -> None:
        heard = [event for event in events if self._hears(event)]
        for event in heard:
            self._told += 1
            self.records[event.subject].told(self._told, event)
            self.count.add(event)
            if event.type is EventType.ALARM_RAISED:
                self.priorities[event.priority] += 1
        if self._sender is not None:
            self._sender.send(heard, events[-1].at)

    def _hears(self, event: Event) -> bool:
        """Nothing is told of rules that are left out, nor of a tag of which the history has said nothing yet."""
        if event.subject not in self.records:
            return False
        if event.tag and event.at < self._heard_from.get(event.tag, FOREVER):
            self._unheard.add(event.subject)
            return False
        if event.subject in self._unheard:
            if event.type is EventType.ALARM_RETURNED:
                self._unheard.remove(event.subject)
            return False
        return True


def _pieces(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """The columns cut at the same instants, into pieces of which none has many samples of one tag."""
    if not columns:
        return
    longest = max((column.times for column in columns), key=len)
    begins = [0] * len(columns)
    for index in range(_PIECE - 1, len(longest) + _PIECE - 1, _PIECE):
        piece: list[Column] = []
        for place, column in enumerate(columns):
            begin = begins[place]
            if index < len(longest) - 1:
                end = begins[place] = bisect_right(column.times, longest[index], begin)
            else:
                end = len(column.times)
            if end > begin:
                piece.append(column.part(begin, end))
        yield piece


def _quiet(run: Run, least: float, greatest: float) -> bool:
    """Whatever lies between two numbers leaves the rule as it is, whether it is seen or not.

    Nothing is going on and its limits have room for both; or the alarm stands, no delay runs, no limit
    is crossed, and neither is further out than what was seen already.
    """
    spec, core = run.spec, run.state.core
    if not isinstance(spec, AlarmSpec) or not isinstance(core, AlarmState) or spec.gate != OPEN:
        return False
    if not all(isinstance(condition, Limit) for condition in spec.conditions):
        return False
    if core.calm:
        return run.unmoved_by(least) and run.unmoved_by(greatest)
    plain = (
        spec.calc is None and not spec.measures and spec.on_bad is OnBad.HOLD and spec.remind_every is None
    )
    return plain and core.steady and _stands(spec, core, least, greatest)


def _stands(spec: AlarmSpec, core: AlarmState, least: float, greatest: float) -> bool:
    if core.extremes is None:
        return False
    lowest, highest = core.extremes
    for condition, machine in zip(spec.conditions, core.machines, strict=True):
        if not isinstance(condition, Limit) or isinstance(condition.at, str):
            return False
        leaves = Zone.OUT if machine.phase is Phase.ACTIVE else Zone.IN
        if leaves in (zone(condition, least, condition.at), zone(condition, greatest, condition.at)):
            return False
        if greatest > highest if condition.side > 0 else least < lowest:
            return False
    return True


def _calculation(run: Run) -> Value | None:
    """What it gives now; None: it is unknown, or makes no sense."""
    try:
        return None if run.sight.quality is Quality.BAD else run.sight.value
    except TypeError:
        return None


def _received(reading: Reading) -> int:
    return reading.received
