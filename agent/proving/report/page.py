"""The whole document: policy, style, top, sections, script.

Rules for whoever changes it: one file that loads nothing. The policy names the style sheet and the script
by their hashes, so nothing else on the page is ever applied or run, whatever a rule is called.
"""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

from agent.config.times import zone_of
from agent.proving.report import words
from agent.proving.report.axis import Period
from agent.proving.report.budget import Budget
from agent.proving.report.hours import calendar
from agent.proving.report.markup import NOTHING, Markup, element, escape, several, verbatim
from agent.proving.report.section import section
from agent.proving.report.summary import figures_table, rules_table
from agent.proving.results import Backtest

_PACKAGE: Final = "agent.proving.report"
_SPARKS: Final = 4_000  # bars in all rows of the table of rules


def render(outcome: Backtest) -> str:
    """Write a backtest as one HTML document that needs nothing beside itself."""
    period = Period(outcome.begin, outcome.end, zone_of(outcome.zone))
    budget = Budget.share(len(outcome.side.rules))
    anchors = {rule.spec.name: f"r{index}" for index, rule in enumerate(outcome.side.rules, 1)}
    style, script = (verbatim(_own(name)) for name in ("style.css", "script.js"))
    title = f"Backtest: {words.many(outcome.side.total.alarms, 'alarm')} in {words.length(outcome.span)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style),
    )
    body = element(
        "body",
        verbatim(_own("marks.svg")),
        _top(outcome, period, anchors),
        element(
            "main",
            *(section(rule, outcome, period, budget, anchors[rule.spec.name]) for rule in outcome.side.rules),
        ),
        _not_covered(outcome),
        element("script", script),
        data_zone=outcome.zone,
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _policy(style: str, script: str) -> str:
    """Only this style sheet and this script; no network, no frame, no form, no base."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _own(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text("utf-8")


def _top(outcome: Backtest, period: Period, anchors: dict[str, str]) -> Markup:
    total = outcome.side.total
    against = f" against {outcome.against.name}" if outcome.against else ""
    facts = [
        several([element("b", outcome.side.name), against]),
        escape(", ".join(outcome.files)),
        escape(f"{period.date(outcome.begin)} to {period.date(outcome.end)} ({words.length(outcome.span)})"),
        escape(f"all times are those of the plant: {outcome.zone}"),
        escape(f"{outcome.samples:,} readings of {words.many(len(outcome.series), 'tag')}"),
    ]
    floods = f" in {words.many(len(outcome.side.floods), 'flood')}" if outcome.side.floods else ""
    headline = f"{words.many(total.alarms, 'alarm')}, {words.rate(total.per_day)} a day{floods}"
    if outcome.against:
        headline += f"; the old rules {outcome.against.total.alarms:,}"
    return element(
        "header",
        element("h1", several([element("small", "Backtest"), headline])),
        element("ul", *(element("li", fact) for fact in facts), class_="facts-line"),
        element(
            "div",
            element("div", element("h2", "Beside the published figures"), figures_table(outcome)),
            calendar(outcome.side.hours, period, "Alarms by hour, all rules"),
            class_="top",
        ),
        element("h2", "Rules, the loudest first"),
        rules_table(outcome, anchors, period, max(_SPARKS // max(len(anchors), 1), 40)),
        element(
            "p",
            "Drag over a plot to look closer, Esc shows all again; on the keyboard: arrows, plus, minus, 0. "
            "All plots move together.",
            class_="note scripted",
        ),
    )


def _not_covered(outcome: Backtest) -> Markup:
    """What the history or the configuration does not know of the other."""
    notes = [
        element("li", element("b", rule), f" looks at {tag}, which is not in the history")
        for rule, tag in outcome.without_history.items()
    ]
    notes += [
        element(
            "li",
            element("b", tag),
            f" is in the history ({words.many(samples, 'reading')}) and not in the configuration",
        )
        for tag, samples in outcome.unknown_tags.items()
    ]
    return element("footer", element("h2", "Not covered"), element("ul", *notes)) if notes else NOTHING
