"""The events that would have been sent: numbered marks on the time axis, and the list of them.

Rules for whoever changes it: a mark's number is the event's line in the file of `--events`; marks that
would overlap are one mark with their count, and no event is without a mark.
"""

from collections.abc import Sequence
from typing import Final

from agent.model import SECOND, EventType
from agent.proving.report.axis import Period
from agent.proving.report.budget import Budget
from agent.proving.report.field import grid, name, row
from agent.proving.report.markup import NOTHING, Markup, element, short
from agent.proving.report.spans import clusters
from agent.proving.results import RuleResult, Told
from agent.rules.message import show

_HEIGHT: Final = 34
_WIDE, _NARROW = 26, 8  # marks side by side on a desk's screen and on a phone's
_UP: Final = frozenset({EventType.ALARM_RAISED, EventType.ALARM_ESCALATED})
_DOWN: Final = frozenset({EventType.ALARM_RETURNED, EventType.ALARM_DEESCALATED})


def mark_row(rule: RuleResult, period: Period, budget: Budget) -> Markup:
    """Draw the marks twice, for wide and for narrow screens; the style sheet shows one of them."""
    complete = not rule.events_left_out and len(rule.events) <= budget.marked
    seconds = (f"{(event.at - period.begin) / SECOND:.0f}{_kind(event)}{event.seq}" for event in rule.events)
    moving = [
        grid(_HEIGHT, period),
        _marks(rule.events, _WIDE, period, "wide"),
        _marks(rule.events, _NARROW, period, "narrow"),
    ]
    return row("marks", _HEIGHT, name("events", 12), moving, marks=" ".join(seconds) if complete else None)


def event_list(rule: RuleResult, period: Period, budget: Budget) -> Markup:
    """List the first events in a table that opens."""
    if not rule.events:
        return element("p", "No event would have been sent.", class_="quiet")
    listed = rule.events[: budget.listed]
    total = len(rule.events) + rule.events_left_out
    heads = ("No.", "Time", "Event", "Level", "Priority", "Value", "Message")
    body = [
        element(
            "tr",
            element("td", str(event.seq), class_="n"),
            element("td", period.stamp(event.at), class_="t"),
            element("td", event.type.removeprefix("alarm.")),
            element("td", event.condition),
            element("td", event.priority.word),
            element("td", show(event.value), class_="n"),
            element("td", event.message),
            id=f"e{event.seq}",
            data_at=f"{(event.at - period.begin) / SECOND:.0f}",
        )
        for event in listed
    ]
    rest = f" These are the first {len(listed):,}; `--events FILE` writes all." if total > len(listed) else ""
    summary = "1 event" if total == 1 else f"All {total:,} events" if not rest else f"{total:,} events"
    return element(
        "details",
        element("summary", summary),
        element("p", f"The number is the line in the file of `--events`.{rest}", class_="note"),
        table(heads, body, label=f"events of {rule.spec.name}"),
    )


def table(heads: Sequence[str], body: Sequence[Markup], *, label: str, class_: str | None = None) -> Markup:
    """Write a table in a frame that scrolls sideways where the screen is narrow, by keyboard as well."""
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *body), class_=class_),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=label,
    )


def _marks(events: Sequence[Told], slots: int, period: Period, class_: str) -> Markup:
    drawn = [_mark(group, period) for group in clusters(events, slots, period)]
    return element("g", *drawn, class_=class_) if drawn else NOTHING


def _mark(group: list[Told], period: Period) -> Markup:
    first = group[0]
    x = f"{short(period.place(first.at))}%"
    kinds = {_kind(event) for event in group}
    kind = next(kind for kind in "rod" if kind in kinds)
    text = str(first.seq) if len(group) == 1 else f"\N{MULTIPLICATION SIGN}{len(group)}"
    what = f"{first.type.value} {first.condition}".strip() if len(group) == 1 else f"{len(group)} events"
    return element(
        "a",
        element("title", f"{what}, {period.stamp(first.at)}"),
        element("use", href=f"#mark-{kind}", x=x, y=8),
        element("text", text, x=x, y=28),
        href=f"#e{first.seq}",
        tabindex=-1,
        class_=f"mark {kind}",
    )


def _kind(event: Told) -> str:
    """`r`: up, a person is needed; `d`: down; `o`: anything else."""
    return "r" if event.type in _UP else "d" if event.type in _DOWN else "o"
