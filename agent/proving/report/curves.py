"""The curves of a rule: its subject with the limits and their deadbands, and the other tags it looks at.

Rules for whoever changes it: a limit is drawn only on the scale of what it is compared with; a curve is
cut where nothing fresh and good was seen, and that time is hatched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from agent.model import Kind
from agent.proving.report import words
from agent.proving.report.axis import Period, Scale
from agent.proving.report.budget import Budget
from agent.proving.report.field import bars, grid, name, outline, row, sheet
from agent.proving.report.markup import NOTHING, Attribute, Markup, element, several
from agent.proving.report.spans import Span, joined, runs
from agent.proving.results import Doing, RuleResult
from agent.proving.seen import Series
from agent.rules.spec import AlarmSpec, Limit

_TALL: Final = 200
_HEADROOM: Final = 0.12  # of the values' width: for the tag's name
_FLAT: Final = 48
_LINE: Final = 13  # pixels from one name of a limit to the next
_CLEAR: Final = 5  # pixels that a value's text needs to the edge
_HATCHED: Final = 300  # gaps drawn in one curve


def limits(rule: RuleResult) -> tuple[Limit, ...]:
    """The limits of a rule, on the scale of what it compares."""
    conditions = rule.spec.conditions if isinstance(rule.spec, AlarmSpec) else ()
    return tuple(condition for condition in conditions if isinstance(condition, Limit))


def compared(rule: RuleResult) -> Series | None:
    """The number that the rule made of its tags, by a name for people; None: it compares the tag itself."""
    if rule.compared is None:
        return None
    calculated = rule.spec.calc.text if rule.spec.calc is not None else ""
    name = " of ".join(filter(None, (words.measured(rule.spec.measures), calculated)))
    return replace(rule.compared, tag=replace(rule.compared.tag, name=name))


def limit_text(limit: Limit) -> str:
    """Name a limit: `high 170`, `high R1.TRIP_SP`."""
    return f"{limit.say.name} {words.number(limit.at) if not isinstance(limit.at, str) else limit.at}"


def subject_row(
    rule: RuleResult, series: Series, known: Mapping[str, Series], period: Period, budget: Budget
) -> Markup:
    """Draw what is compared: its curve, its limits with the deadband shaded, and where it was in alarm."""
    if _is_switch(series):
        return other_row(series, period, budget, "value")
    shown = limits(rule)
    scale = Scale.around([*_numbers(series), *_limit_numbers(shown, known)], _HEADROOM)
    followed = [
        _followed(limit, known[limit.at], scale, period, budget)
        for limit in shown
        if isinstance(limit.at, str) and limit.at in known
    ]
    moving = [
        grid(_TALL, period),
        bars("tint", joined(active_spans(rule), budget.bars, period), period, 0, _TALL),
        sheet(_TALL, *followed, _curve(series, scale, period, budget)),
        _gaps(series, period, _TALL),
    ]
    fixed = [_fixed(limit, limit.at, scale) for limit in shown if not isinstance(limit.at, str)]
    levels = [(limit_text(limit), _level(limit, scale, known)) for limit in shown]
    over = several([*fixed, _names(levels), _title(series)])
    return row("value", _TALL, _ticks(series, scale, _TALL, 7), moving, over, **_read_out(series, scale))


def other_row(series: Series, period: Period, budget: Budget, kind: str = "other") -> Markup:
    """Draw another tag that the rule looks at, small: a pump's state, a setpoint."""
    switch = _is_switch(series)
    scale = Scale(-0.4, 1.9) if switch else Scale.around(_numbers(series), 0.5)
    curve = sheet(_FLAT, _curve(series, scale, period, budget))
    moving = [grid(_FLAT, period), curve, _gaps(series, period, _FLAT)]
    labels = [name(word, _pixels(scale, value, _FLAT)) for word, value in (("true", 1), ("false", 0))]
    gutter = several(labels) if switch else _ticks(series, scale, _FLAT, 2)
    return row(kind, _FLAT, gutter, moving, _title(series), **_read_out(series, scale))


def _is_switch(series: Series) -> bool:
    return series.tag.kind is Kind.SWITCH


def _title(series: Series) -> Markup:
    return element("text", series.tag.name, x=6, y=12, class_="title")


def _read_out(series: Series, scale: Scale) -> dict[str, Attribute]:
    """What the script needs to read values off the curve."""
    tag = series.tag
    ends = {"low": repr(scale.low), "high": repr(scale.high)}
    return {**ends, "unit": tag.unit, "curve": tag.name, "switch": "yes" if _is_switch(series) else None}


def active_spans(rule: RuleResult) -> Iterable[Span]:
    """When the rule was in alarm: any of its conditions active, or on its way back."""
    standing = {Doing.ACTIVE, Doing.CLEARING}
    return ((stretch.begin, stretch.end) for stretch in rule.stretches if stretch.doing in standing)


def _numbers(series: Series) -> list[float]:
    return [bucket.least for bucket in series.buckets] + [bucket.greatest for bucket in series.buckets]


def _limit_numbers(shown: Iterable[Limit], known: Mapping[str, Series]) -> list[float]:
    numbers: list[float] = []
    for limit in shown:
        if not isinstance(limit.at, str):
            numbers += [limit.at, limit.at - limit.side * limit.deadband]
        elif limit.at in known:
            numbers += _numbers(known[limit.at])
    return numbers


def _curve(series: Series, scale: Scale, period: Period, budget: Budget) -> Markup:
    drawn = "".join(outline(run, period, scale) for run in runs(series, budget.columns, period))
    return element("path", d=drawn, class_="curve")


def _gaps(series: Series, period: Period, height: int) -> Markup:
    return bars("gap", joined(series.gaps, _HATCHED, period), period, 0, height)


def _fixed(limit: Limit, at: float, scale: Scale) -> Markup:
    """A limit that is a number: a line over the whole width, its deadband shaded on the inner side."""
    y, inner = (_pixels(scale, value) for value in (at, at - limit.side * limit.deadband))
    band = element("rect", x=0, width="100%", y=min(y, inner), height=abs(inner - y), class_="deadband")
    line = element("line", x1=0, x2="100%", y1=y, y2=y, class_="limit")
    return several([band if limit.deadband else NOTHING, line])


def _followed(limit: Limit, series: Series, scale: Scale, period: Period, budget: Budget) -> Markup:
    """A limit that another tag holds: its curve, its deadband shaded on the inner side."""
    drawn = runs(series, budget.columns, period)
    shift = -limit.side * limit.deadband
    band = [
        [
            column._replace(
                least=min(column.least, column.least + shift),
                greatest=max(column.greatest, column.greatest + shift),
            )
            for column in run
        ]
        for run in drawn
    ]
    return several(
        element("path", d="".join(outline(run, period, scale) for run in of), class_=class_)
        for of, class_ in ((band, "deadband"), (drawn, "limit"))
        if class_ == "limit" or limit.deadband
    )


def _level(limit: Limit, scale: Scale, known: Mapping[str, Series]) -> float:
    if not isinstance(limit.at, str):
        return _pixels(scale, limit.at)
    last = known[limit.at].buckets[-1:] if limit.at in known else ()
    return _pixels(scale, last[0].greatest) if last else _TALL


def _names(levels: list[tuple[str, float]]) -> Markup:
    """Write each limit's name above its line, at the right, none over another."""
    written, lowest = [], 0.0
    for text, level in sorted(levels, key=lambda item: item[1]):
        lowest = max(level - 4, lowest + _LINE, _LINE - 2)
        written.append(element("text", text, x="100%", dx=-6, y=min(lowest, _TALL - 2), class_="limit-name"))
    return several(written)


def _ticks(series: Series, scale: Scale, height: int, most: int) -> Markup:
    """Write the values into the gutter; the unit stands with the topmost."""
    places = [(value, _pixels(scale, value, height)) for value in scale.ticks(most)]
    places = [(value, y) for value, y in places if _CLEAR <= y <= height - _CLEAR]
    return several(
        name(words.number(value) + (f" {series.tag.unit}" if index == len(places) - 1 else ""), y)
        for index, (value, y) in enumerate(places)
    )


def _pixels(scale: Scale, value: float, height: int = _TALL) -> float:
    return round((1 - scale.share(value)) * height, 1)
