"""The top of the page: the figures beside the published ones, and a row for each rule.

Rules for whoever changes it: a figure stands beside its published bound with the word that says which side
it is on; the bounds are those of ISA-18.2 and EEMUA 191 for one operator, as published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.model import Priority
from agent.proving.figures import A_DAY
from agent.proving.report import words
from agent.proving.report.axis import Period
from agent.proving.report.events import table
from agent.proving.report.field import grid
from agent.proving.report.markup import NOTHING, Markup, element, several
from agent.proving.report.timeline import standing_bars
from agent.proving.results import Backtest, Figures, RuleResult, Side

_SPARK: Final = 18
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
    new, old = _lines(backtest.side, backtest), _lines(backtest.against, backtest) if backtest.against else []
    heads = [
        "Figure",
        "New rules" if old else "This history",
        *(["Old rules"] if old else []),
        "Published",
        "",
    ]
    body = [
        element(
            "tr",
            element("th", line.title, scope="row"),
            element("td", line.value, class_="n"),
            element("td", old[index].value, class_="n") if old else NOTHING,
            element("td", line.published),
            _verdict(line.beyond),
        )
        for index, line in enumerate(new)
    ]
    return table(heads, body, label="figures of all rules", class_="figures")


def rules_table(backtest: Backtest, anchors: Mapping[str, str], period: Period, bars_each: int) -> Markup:
    """Write a row for each rule, the loudest first, with the time in which it was in alarm."""
    before = {difference.rule: difference.before for difference in backtest.differences}
    compared = backtest.against is not None
    loudest = sorted(backtest.side.rules, key=lambda rule: -rule.figures.alarms)
    total = max(backtest.side.total.alarms, 1)
    body = [
        _rule_row(
            rule,
            anchors[rule.spec.name],
            total,
            _old_count(rule, before) if compared else None,
            period,
            bars_each,
        )
        for rule in loudest
    ]
    body += [
        element(
            "tr",
            element("th", difference.rule, scope="row"),
            element("td", "only in the old rules", colspan=7),
            element("td", f"{difference.before:,}", class_="n"),
            element("td"),
        )
        for difference in backtest.differences
        if difference.after is None and difference.before is not None
    ]
    heads = [
        "Rule",
        "In alarm",
        "Alarms",
        "A day",
        "Share",
        "Chattering",
        "Fleeting",
        "Standing",
        *(["Before"] if compared else []),
        "Suggested",
    ]
    return table(heads, body, label="rules", class_="rules")


def _lines(side: Side, backtest: Backtest) -> list[_Line]:
    total = side.total
    days = max(backtest.span / 86_400e9, 1e-9)
    enough = len(side.rules) > _TEN
    return [
        _Line("Alarms", f"{total.alarms:,}", None, f"in {words.length(backtest.span)}"),
        _Line("Alarms a day", words.number(total.per_day), total.per_day > A_DAY, "about 150; 300 at the most"),
        _Line("Average in 10 minutes", words.number(total.per_10_minutes), total.per_10_minutes > 1, "about 1; over 2 is too many"),
        _Line("Most in 10 minutes", f"{total.peak_10_minutes:,}", total.peak_10_minutes > 10, "10"),
        _Line("Most in an hour", f"{total.peak_hour:,}", total.peak_hour > 15, "15"),
        _Line("Time in flood", words.per_cent(total.flood_share), total.flood_share > 0.01, "under 1 %"),
        _Line("Chattering (3 in 60 s)", f"{total.chattering:,}", total.chattering > 0, "0"),
        _Line("Fleeting (over in 60 s)", f"{total.fleeting:,}", total.fleeting > 0, "about 0"),
        _Line("Standing over 24 h", f"{total.standing:,}", total.standing / days > 5, "under 5 a day"),
        _Line("Share of the ten loudest", words.per_cent(side.top_ten_share) if enough else "all", side.top_ten_share > 0.05 if enough else None, "5 %; 20 to 80 % is usual"),
        _Line("Priorities", _mix(side.priorities), None, "5 % high, 15 % medium, 80 % low"),
        _Line("Blind, all rules", words.length(total.blind), None, ""),
        _Line("Suppressed, all rules", words.length(total.suppressed), None, ""),
    ]  # fmt: skip


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
        return element("td")
    return element("td", "▲ beyond" if beyond else "✓ within", class_="beyond" if beyond else "within")


def _old_count(rule: RuleResult, before: Mapping[str, int | None]) -> str:
    if rule.spec.name not in before:
        return f"{rule.figures.alarms:,}"
    count = before[rule.spec.name]
    return "new" if count is None else f"{count:,}"


def _rule_row(
    rule: RuleResult, anchor: str, total: int, before: str | None, period: Period, bars_each: int
) -> Markup:
    figures: Figures = rule.figures
    share = figures.alarms / total
    spark = element(
        "svg",
        grid(_SPARK, period),
        standing_bars(rule, period, bars_each, 3, 12),
        class_="spark",
        width="100%",
        height=_SPARK,
        aria_hidden="true",
    )
    bar = element(
        "svg",
        element("rect", width=f"{share * 100:.1f}%", height=5),
        class_="share",
        width=44,
        height=5,
        aria_hidden="true",
    )
    suggested = [
        f"{suggestion.key} {suggestion.suggested}" for suggestion in rule.suggestions if suggestion.suggested
    ]
    return element(
        "tr",
        element("th", element("a", rule.spec.name, href=f"#{anchor}"), scope="row"),
        element("td", spark, class_="when"),
        element("td", f"{figures.alarms:,}", class_="n"),
        element("td", words.number(figures.per_day), class_="n"),
        element("td", several([f"{share:.0%}" if share >= 0.005 or not share else "< 1%", bar]), class_="n"),
        element("td", f"{figures.chattering:,}", class_="n"),
        element("td", f"{figures.fleeting:,}", class_="n"),
        element("td", f"{figures.standing:,}", class_="n"),
        element("td", before, class_="n") if before is not None else NOTHING,
        element("td", ", ".join(dict.fromkeys(suggested)) or "–"),
    )
