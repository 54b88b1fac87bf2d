"""From the records of a run over the history to its result.

Rules for whoever changes it: nothing is counted here that was not counted on the way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from agent.model import TagSpec
from agent.proving.figures import Lost, Standing
from agent.proving.lane import Lane
from agent.proving.record import RuleRecord
from agent.proving.results import Difference, RuleResult, Side
from agent.proving.seen import Series
from agent.proving.suggestions import suggest
from agent.rules.dependencies import inputs_of
from agent.rules.detection import detection
from agent.rules.sentence import sentence
from agent.rules.spec import ChangeSpec, RuleSpec

_TEN: Final = 10
_WEEK: Final = 7 * 86_400 * 10**9


def side(
    name: str, lane: Lane, series: Mapping[str, Series], tags: Mapping[str, TagSpec], begin: int, end: int
) -> Side:
    """What one configuration made of the history from `begin` to `end`; the lane has been ended."""
    results = tuple(
        _result(record, series, tags, begin, end)
        for record in lane.records.values()
        if not _subjects(record.spec).isdisjoint(series)
    )
    standing, lost = Standing(), Lost()
    for result in results:
        figures = result.figures
        standing.fleeting += figures.fleeting
        standing.long += figures.standing
        standing.chattering += figures.chattering
        lost = Lost(
            lost.blind + figures.blind,
            lost.suppressed + figures.suppressed,
            lost.disabled + figures.disabled,
        )
    delays = [delay for result in results if (delay := result.figures.detection_delay) is not None]
    worst = sorted((result.figures.alarms for result in results), reverse=True)[:_TEN]
    return Side(
        name=name,
        rules=results,
        total=lane.count.figures(end - begin, standing, lost, max(delays, default=None)),
        hours=lane.count.hours,
        floods=tuple(lane.count.floods.spans),
        top_ten_share=sum(worst) / lane.count.alarms if lane.count.alarms else 0.0,
        priorities=lane.priorities,
    )


def _result(
    record: RuleRecord, series: Mapping[str, Series], tags: Mapping[str, TagSpec], begin: int, end: int
) -> RuleResult:
    spec = record.spec
    names = sorted(inputs_of(spec), key=lambda name: (name != spec.subject, name))
    known = tuple(name for name in names if name in series)
    sources = sorted(_subjects(spec) & series.keys())
    gaps = _joined([series[name].gaps for name in sources])
    blind = series[sources[0]].blind if len(sources) == 1 else sum(stop - start for start, stop in gaps)
    stretches, excursions = record.stretches(end, gaps), record.excursions()
    normal = None if record.normal is None else record.normal.found()
    return RuleResult(
        spec=spec,
        sentence=sentence(spec, tags.get(spec.subject)),
        tags=known,
        figures=record.figures(end - begin, blind, _delay(spec, series, tags)),
        events=tuple(record.events),
        events_left_out=record.count.events - len(record.events),
        stretches=stretches,
        excursions=excursions,
        hours=record.count.hours,
        suggestions=suggest(spec, tags.get(spec.subject), normal, excursions, record.count.alarms),
        normal=normal,
        compared=None if record.compared is None else record.compared.series(end),
    )


def _subjects(spec: RuleSpec) -> frozenset[str]:
    return spec.calc.tags if spec.calc is not None else frozenset((spec.subject,))


def _delay(spec: RuleSpec, series: Mapping[str, Series], tags: Mapping[str, TagSpec]) -> int | None:
    """How long it takes at the worst until a condition is told, at the pace of the history."""
    if isinstance(spec, ChangeSpec):
        return None
    paced = {
        name: replace(tag, every=series[name].interval if name in series else tag.every)
        for name, tag in tags.items()
    }
    return detection(spec, paced).worst


def _joined(spans: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Everything that is in one of the spans, ordered, without overlaps."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(span for each in spans for span in each):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def missing(spec: RuleSpec, series: Mapping[str, Series]) -> str:
    """The tag that a rule looks at and that is not in the history, its subject first; empty: none."""
    names = sorted(inputs_of(spec), key=lambda name: (name != spec.subject, name))
    return next((name for name in names if name not in series), "")


def differences(before: Side, after: Side, span: int) -> Iterator[Difference]:
    """Rules whose number of alarms differs, the greatest difference first."""
    old, new = (
        {result.spec.name: result.figures.alarms for result in each.rules} for each in (before, after)
    )
    names = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    for name in sorted(names, key=lambda name: -abs(new.get(name, 0) - old.get(name, 0))):
        apart = new.get(name, 0) - old.get(name, 0)
        yield Difference(name, old.get(name), new.get(name), apart * _WEEK / max(span, 1))
