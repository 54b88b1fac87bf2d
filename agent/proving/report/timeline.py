"""A rule over time: its curves, its events, what its conditions did, and the old rules beside the new.

Rules for whoever changes it: every row has the same time axis; states differ in height and hatching, not
in colour alone; what was not there (no bad quality, no suppression) takes no room and no explanation.
"""

from collections.abc import Iterator
from typing import Final

from agent.model import EventType
from agent.proving.report import curves, words
from agent.proving.report.axis import Period
from agent.proving.report.budget import Budget
from agent.proving.report.events import mark_row
from agent.proving.report.field import bars, grid, name, row
from agent.proving.report.markup import Markup, element, short
from agent.proving.report.spans import Span, joined
from agent.proving.results import Backtest, Doing, RuleResult
from agent.rules.spec import AlarmSpec, Condition, Limit

_STRIP: Final = 22
_COMPARED: Final = 32
_EDGE: Final = 3  # per cent, within which a tick of the axis has no room for its label
_OTHERS: Final = 3  # tags drawn beside the subject

# In the order of drawing, each with its place in the strip: top and height.
_SHAPES: Final = {
    Doing.DISABLED: (9, 4),
    Doing.BLIND: (3, 16),
    Doing.SUPPRESSED: (3, 16),
    Doing.PENDING: (13, 6),
    Doing.CLEARING: (3, 16),
    Doing.ACTIVE: (3, 16),
}
_MEANINGS: Final = {
    Doing.PENDING: "pending (beyond the limit, on_delay runs)",
    Doing.ACTIVE: "active",
    Doing.CLEARING: "clearing (back, off_delay runs)",
    Doing.SUPPRESSED: "suppressed (computed, not announced)",
    Doing.DISABLED: "disabled (`when` is false)",
    Doing.BLIND: "blind (no fresh good value)",
}


def timeline(
    rule: RuleResult, old: RuleResult | None, backtest: Backtest, period: Period, budget: Budget
) -> Markup:
    """Draw all rows of one rule over the same time axis."""
    calculated = rule.spec.calc.tags if rule.spec.calc is not None else frozenset[str]()
    tags = sorted(rule.tags, key=lambda tag: tag not in calculated)  # what is calculated with, then the gates
    drawn = [series for tag in tags if (series := backtest.series.get(tag)) and series.buckets]
    # A limit that is a tag is drawn among the limits, not again below.
    held = {limit.at for limit in curves.limits(rule)}
    made = curves.compared(rule)
    above = len(calculated) or 1 if made is not None else 0  # what the number is made of
    rows = [curves.other_row(series, period, budget) for series in drawn[: min(above, _OTHERS)]]
    if made is None or made.buckets:
        value = [made] if made is not None else drawn[:1]
        rows += [curves.subject_row(rule, each, backtest.series, period, budget) for each in value]
    rows.append(mark_row(rule, period, budget))
    rows += [_strip(rule, condition, period, budget) for condition in _conditions(rule)]
    others = [series for series in drawn[above or 1 :] if series.tag.name not in held]
    rows += [curves.other_row(series, period, budget) for series in others[:_OTHERS]]
    if old is not None:
        rows += [_standing("old", old, period, budget), _standing("new", rule, period, budget)]
    rows.append(axis_row(period))
    return element(
        "div", *rows, class_="rows", data_begin=period.begin // 1_000_000, data_end=period.end // 1_000_000
    )


def axis_row(period: Period) -> Markup:
    """Write the time axis; the script writes a finer one when the view is zoomed."""
    ticks: list[Markup] = []
    for place, label in period.ticks():
        x = f"{short(place)}%"
        ticks.append(element("line", x1=x, x2=x, y1=0, y2=5))
        if _EDGE < place < 100 - _EDGE:
            ticks.append(element("text", label, x=x, y=17))
    return row("axis", 22, name(period.caption, 13), [element("g", *ticks, class_="ticks")])


def key(rule: RuleResult, *, gaps: bool, deadband: bool) -> Markup:
    """Explain the states that occur, with the very bars that stand for them."""
    present = {stretch.doing for stretch in rule.stretches}
    entries = [
        _entry(doing.value, *_SHAPES[doing], _MEANINGS[doing]) for doing in _MEANINGS if doing in present
    ]
    if gaps:
        entries.append(_entry("gap", 0, 22, "bad or no value"))
    if deadband:
        entries.append(_entry("deadband-key", 6, 10, "deadband (returns only beyond it)"))
    return element("ul", *entries, class_="key") if entries else element("ul", class_="key", hidden=True)


def standing_bars(rule: RuleResult, period: Period, most: int, top: float, height: float) -> Markup:
    """Draw when a rule was in alarm, whichever condition it was."""
    return bars("active", joined(curves.active_spans(rule), most, period), period, top, height)


def _entry(kind: str, top: float, height: float, meaning: str) -> Markup:
    bar = element("g", element("rect", x=1, width=20, y=top, height=height), class_=kind)
    swatch = element("svg", bar, width=22, height=_STRIP, aria_hidden="true")
    return element("li", swatch, meaning)


def _conditions(rule: RuleResult) -> list[str]:
    """The conditions, the most severe on top, then the rule as a whole if it did anything."""
    spec = rule.spec
    conditions = spec.conditions if isinstance(spec, AlarmSpec) else ()
    names = [condition.say.name for condition in sorted(conditions, key=_height, reverse=True)]
    return names + [""] * any(not stretch.condition for stretch in rule.stretches)


def _height(condition: Condition) -> int:
    """Limits stand as they do in the curve: the highest on top, the lowest below."""
    return condition.side * condition.say.rank if isinstance(condition, Limit) else condition.say.rank


def _strip(rule: RuleResult, condition: str, period: Period, budget: Budget) -> Markup:
    drawn = [
        bars(doing.value, joined(_spans(rule, condition, doing), budget.bars, period), period, *shape)
        for doing, shape in _SHAPES.items()
    ]
    title = condition or "rule"
    return row("strip", _STRIP, name(title, 11), [grid(_STRIP, period), *drawn], strip=title)


def _spans(rule: RuleResult, condition: str, doing: Doing) -> Iterator[Span]:
    return (
        (stretch.begin, stretch.end)
        for stretch in rule.stretches
        if stretch.condition == condition and stretch.doing is doing
    )


def _standing(which: str, rule: RuleResult, period: Period, budget: Budget) -> Markup:
    """One strip for all that a configuration made of a rule, with a tick below for each alarm raised."""
    raised = ((event.at, event.at) for event in rule.events if event.type is EventType.ALARM_RAISED)
    ticks = bars("raised", joined(raised, budget.bars, period), period, 21, 8)
    kept_down = bars(
        "suppressed", joined(_spans(rule, "", Doing.SUPPRESSED), budget.bars, period), period, 4, 14
    )
    drawn = [grid(_COMPARED, period), standing_bars(rule, period, budget.bars, 4, 14), kept_down, ticks]
    label = name(f"{which} rules", 12, small=words.many(rule.figures.alarms, "alarm"))
    return row(f"strip {which}", _COMPARED, label, drawn, strip=f"{which} rules")
