"""The top of the page: the figures beside the published ones, and a row for each rule.

Rules for whoever changes it: a figure stands beside its published bound with the word that says which side
it is on; the bounds are those of ISA-18.2 and EEMUA 191 for one operator, as published.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from agent.model import Priority
from agent.proving.figures import A_DAY, DAY, FLOOD_MORE_THAN
from agent.proving.report import words
from agent.proving.report.axis import Period
from agent.proving.report.events import table
from agent.proving.report.field import grid
from agent.proving.report.markup import NOTHING, Markup, element, several
from agent.proving.report.timeline import standing_bars
from agent.proving.results import Backtest, RuleResult, Side

_SPARK: Final = 18
_PEAK_HOUR: Final = 15
_FLOODED: Final = 0.01
_STANDING: Final = 5  # a day
_TOP_TEN: Final = 0.05
_TEN: Final = 10  # rules; with no more than that, ten have all the alarms and that says nothing


@dataclass(frozen=True, slots=True)
class _Line:
    """One figure: how it reads, whether it is beyond the bound (None: there is none), the bound."""

    title: str
    value: str
    beyond: bool | None
    published: str


def figures_table(backtest: Backtest) -> Markup:
    """Write the figures of all rules together, beside the published ones and the old rules'."""
    new = _lines(backtest.side, backtest)
    old = _lines(backtest.against, backtest) if backtest.against else []
    heads = ["Figure", *(["Old rules", "New rules"] if old else ["This history"]), "Published"]
    body = [
        element(
            "tr",
            element("th", line.title, scope="row"),
            element("td", old[index].value, class_="n") if old else NOTHING,
            element("td", line.value, class_="n"),
            element("td", _verdict(line.beyond), line.published),
        )
        for index, line in enumerate(new)
    ]
    return several([table(heads, body, label="figures of all rules", class_="figures"), _mixes(backtest)])


def rules_table(backtest: Backtest, anchors: Mapping[str, str], period: Period, bars_each: int) -> Markup:
    """Write a row for each rule, the loudest first, with the time in which it was in alarm."""
    compared = backtest.against is not None
    before = {difference.rule: difference.before for difference in backtest.differences}
    total = max(backtest.side.total.alarms, 1)
    heads = ["Rule", *(["Before"] if compared else []), "Alarms", "A day", "Share", "In alarm", "Chattering"]
    heads += ["Fleeting", "Standing", "Suggested"]
    body = []
    for rule in sorted(backtest.side.rules, key=lambda rule: -rule.figures.alarms):
        first = element("a", rule.spec.name, href=f"#{anchors[rule.spec.name]}")
        cells = _cells(rule, total, period, bars_each)
        old = [element("td", _old_count(rule, before), class_="n")] if compared else []
        body.append(element("tr", element("th", first, scope="row"), *old, *cells))
    gone = [one for one in backtest.differences if one.after is None and one.before is not None]
    for one in gone:
        old = [
            element("td", f"{one.before:,}", class_="n"),
            element("td", "only in the old rules", colspan=8),
        ]
        body.append(element("tr", element("th", one.rule, scope="row"), *old))
    return table(heads, body, label="rules", class_="rules")


def _lines(side: Side, backtest: Backtest) -> list[_Line]:
    total = side.total
    days = max(backtest.span / DAY, 1 / DAY)
    sides = (backtest.side, backtest.against or backtest.side)
    few = max(len(each.rules) for each in sides) <= _TEN
    lines = [
        _Line(f"Alarms in {words.length(backtest.span)}", f"{total.alarms:,}", None, ""),
        _line("Alarms a day", words.rate, total.per_day, A_DAY, "about 150; 300 at the most"),
        _line("Average in 10 minutes", words.rate, total.per_10_minutes, 1, "about 1; over 2 is too many"),
        _line("Most in 10 minutes", words.number, total.peak_10_minutes, FLOOD_MORE_THAN, "10"),
        _line("Most in an hour", words.number, total.peak_hour, _PEAK_HOUR, "15"),
        _line("Time in flood", words.per_cent, total.flood_share, _FLOODED, "under 1 %"),
        _line("Chattering, 3 in 60 s", words.number, total.chattering, 0, "0"),
        _line("Fleeting, over in 60 s", words.number, total.fleeting, 0, "about 0"),
        _line("Standing over 24 h", words.number, total.standing, _STANDING * days, "under 5 a day"),
        _line(
            "Share of the ten loudest",
            words.per_cent,
            side.top_ten_share,
            _TOP_TEN,
            "5 %; 20 to 80 % is usual",
        ),
        _Line("Blind, all rules", words.length(total.blind), None, ""),
        _Line("Suppressed, all rules", words.length(total.suppressed), None, ""),
    ]
    return [line for line in lines if not (few and line.title.startswith("Share"))]


def _line(title: str, written: Callable[[float], str], value: float, bound: float, published: str) -> _Line:
    return _Line(title, written(value), value > bound, published)


def _mixes(backtest: Backtest) -> Markup:
    """Say how the alarms are spread over the priorities, and what is published about that."""
    old = f" Old rules: {_mix(backtest.against.priorities)}." if backtest.against else ""
    text = f"Priorities: {_mix(backtest.side.priorities)}.{old} Published: about 80 % low, 15 % medium, 5 % high."
    return element("p", text, class_="note")


def _mix(priorities: Mapping[Priority, int]) -> str:
    total = sum(priorities.values())
    return (
        ", ".join(
            f"{words.per_cent(priorities[priority] / total)} {priority.word}"
            for priority in sorted(priorities, reverse=True)
            if total and priorities[priority]
        )
        or "none"
    )


def _verdict(beyond: bool | None) -> Markup:  # noqa: FBT001 - three answers to one question
    if beyond is None:
        return NOTHING
    return element("b", "▲ beyond " if beyond else "✓ within ", class_="beyond" if beyond else "within")


def _old_count(rule: RuleResult, before: Mapping[str, int | None]) -> str:
    if rule.spec.name not in before:
        return f"{rule.figures.alarms:,}"
    count = before[rule.spec.name]
    return "new" if count is None else f"{count:,}"


def _cells(rule: RuleResult, total: int, period: Period, bars_each: int) -> list[Markup]:
    figures = rule.figures
    share = figures.alarms / total
    alarm = standing_bars(rule, period, bars_each, 3, 12)
    spark = element(
        "svg", grid(_SPARK, period), alarm, class_="spark", width="100%", height=_SPARK, aria_hidden="true"
    )
    part = element("rect", width=f"{share * 100:.1f}%", height=5)
    bar = element("svg", part, class_="share", width=44, height=5, aria_hidden="true")
    suggested = dict.fromkeys(
        f"{suggestion.condition} {suggestion.key} {suggestion.suggested}".strip()
        for suggestion in rule.suggestions
        if suggestion.suggested
    )
    return [
        element("td", f"{figures.alarms:,}", class_="n"),
        element("td", words.rate(figures.per_day), class_="n"),
        element("td", words.per_cent(share), bar, class_="n"),
        element("td", spark, class_="when"),
        element("td", f"{figures.chattering:,}", class_="n"),
        element("td", f"{figures.fleeting:,}", class_="n"),
        element("td", f"{figures.standing:,}", class_="n"),
        element("td", ", ".join(suggested) or "none"),
    ]
