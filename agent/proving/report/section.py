"""The section of one rule: its sentence, what could be better, its rows over time, its panels, its events.

Rules for whoever changes it: the suggestion stands above the plot that shows why.
"""

from collections.abc import Sequence

from agent.proving.report import panels, words
from agent.proving.report.axis import Period
from agent.proving.report.budget import Budget
from agent.proving.report.curves import compared, limits
from agent.proving.report.events import event_list
from agent.proving.report.hours import calendar
from agent.proving.report.markup import NOTHING, Markup, element, several
from agent.proving.report.timeline import key, timeline
from agent.proving.results import Backtest, RuleResult, Suggestion


def section(rule: RuleResult, backtest: Backtest, period: Period, budget: Budget, anchor: str) -> Markup:
    """Write all about one rule."""
    old = (
        next((was for was in backtest.against.rules if was.spec.name == rule.spec.name), None)
        if backtest.against
        else None
    )
    series = backtest.series.get(rule.tags[0]) if rule.tags else None
    banded = any(limit.deadband for limit in limits(rule))
    return element(
        "section",
        element("h2", rule.spec.name, id=f"{anchor}-name"),
        element("p", _sentence(rule), class_="sentence") if rule.sentence else NOTHING,
        _facts(rule, old),
        _suggestions([each for each in rule.suggestions if not each.insufficient]),
        _never_known(rule),
        element(
            "div",
            timeline(rule, old, backtest, period, budget),
            element("output", class_="readout", aria_live="off"),
            key(rule, gaps=bool(series and series.gaps), deadband=banded),
            class_="timeline",
            role="group",
            aria_label=f"{rule.spec.name} over time, {words.many(rule.figures.alarms, 'alarm')}",
        ),
        _panels(rule, backtest, period),
        event_list(rule, period, budget),
        id=anchor,
        aria_labelledby=f"{anchor}-name",
    )


def _sentence(rule: RuleResult) -> str:
    """The heading has said the rule's name already."""
    sentence = rule.sentence.removeprefix(f"{rule.spec.name}: ")
    return sentence[:1].upper() + sentence[1:]


def _facts(rule: RuleResult, old: RuleResult | None) -> Markup:
    """The figures of the rule in one line; what is zero is left out, except the alarms."""
    figures = rule.figures
    alarms = f"{old.figures.alarms:,} → {figures.alarms:,}" if old else f"{figures.alarms:,}"
    facts = [
        ("alarms, old → new" if old else "alarms", alarms),
        ("events", f"{figures.events:,}" if figures.events and not figures.alarms else ""),
        ("a day", words.rate(figures.per_day)),
        ("most in 10 min", str(figures.peak_10_minutes)),
        ("chattering", f"{figures.chattering:,}" if figures.chattering else ""),
        ("fleeting", f"{figures.fleeting:,}" if figures.fleeting else ""),
        ("standing over 24 h", str(figures.standing) if figures.standing else ""),
        ("blind", words.length(figures.blind) if figures.blind else ""),
        ("suppressed", words.length(figures.suppressed) if figures.suppressed else ""),
        ("disabled", words.length(figures.disabled) if figures.disabled else ""),
        (
            "told at the latest after",
            words.length(figures.detection_delay) if figures.detection_delay else "",
        ),
    ]
    written = [element("div", element("dt", title), element("dd", value)) for title, value in facts if value]
    return element("dl", *written, class_="facts")


def _suggestions(suggestions: Sequence[Suggestion]) -> Markup:
    if not suggestions:
        return NOTHING
    return element("ul", *map(_suggestion, suggestions), class_="suggestions")


def _suggestion(suggestion: Suggestion) -> Markup:
    what = f"{suggestion.condition} {suggestion.key}".strip()
    if not suggestion.suggested:
        return element("li", element("b", what), ": ", suggestion.text, class_="said")
    change = several(
        [
            element("code", f"{suggestion.key}: {suggestion.suggested}"),
            f" for {suggestion.condition}" if suggestion.condition else "",
            f" rather than {suggestion.present}" if suggestion.present else "",
        ]
    )
    return element("li", element("b", "Suggested "), change, f" ({suggestion.text})")


def _never_known(rule: RuleResult) -> Markup:
    """Say why there is no curve of what is compared."""
    made = compared(rule)
    if made is None or made.buckets:
        return NOTHING
    return element("p", f"Compared is {made.tag.name}, which was never known in this history.", class_="note")


def _panels(rule: RuleResult, backtest: Backtest, period: Period) -> Markup:
    drawn: list[Markup] = []
    for excursions in rule.excursions:
        if excursions.count:
            drawn.append(panels.durations(excursions))
        if excursions.apart:
            drawn.append(panels.gaps(excursions))
    series = backtest.series.get(rule.tags[0]) if rule.tags else None
    if series and series.spread and rule.normal:
        drawn.append(panels.spread_panel(series.spread, rule.normal, rule, series.tag.unit))
    if rule.hours:
        drawn.append(calendar(rule.hours, period, "Alarms by hour"))
    return element("div", *drawn, class_="panels") if drawn else NOTHING
