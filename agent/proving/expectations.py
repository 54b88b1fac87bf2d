"""What a test expects, beside what was told: the whole timeline, row by row.

Expected and told are aligned so that one event too many or too few does not make the rest wrong.

Rules for whoever changes it: an event that nobody expected is a difference, and so is a missing one.
Order is checked; of events that were told at the same instant, any order will do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from math import isclose

from agent.config.fields import format_duration
from agent.model import Event, EventType, Json


@dataclass(frozen=True, slots=True)
class Expected:
    """One event that is to be told.

    Attributes:
        word: its type as it is written: raised, tag.changed.
        subject: the rule instance, or what else it is about.
        condition: the level or condition, `high_high`; empty: any.
        begin, end: the first and last instant at which it may happen, nanoseconds; None: any.
        fields: further fields of the event, as receivers get them.
        line: where it stands.
    """

    word: str
    type: EventType
    subject: str
    condition: str = ""
    begin: int | None = None
    end: int | None = None
    fields: Mapping[str, Json] = field(default_factory=dict)
    line: int = 0

    def __str__(self) -> str:
        when = "" if self.begin is None else format_duration(self.begin)
        if self.end != self.begin and self.end is not None:
            when += f"..{format_duration(self.end)}"
        what = [self.word, "" if self.subject == "agent" else self.subject, self.condition]
        return " ".join(filter(None, [when, *what, *(f"{k}: {v}" for k, v in self.fields.items())]))


@dataclass(frozen=True, slots=True)
class Row:
    """What was expected beside what was told.

    Attributes:
        expected: None: nothing.
        event: None: nothing.
        why: what is wrong; empty: nothing is.
    """

    expected: Expected | None
    event: Event | None
    why: str = ""


def compare(expected: Sequence[Expected], events: Sequence[Event]) -> list[Row]:
    """Lay the two timelines side by side; they agree if no row has a `why`."""
    events = _as_expected(expected, events)
    pairs = zip(expected, events, strict=False)
    same = [Row(one, event) for one, event in takewhile(lambda pair: not _difference(*pair), pairs)]
    return same + _aligned(expected[len(same) :], events[len(same) :])


def _aligned(expected: Sequence[Expected], events: Sequence[Event]) -> list[Row]:
    """The cheapest way to lay them side by side."""
    width = len(events) + 1
    costs = [[0] * width for _ in range(len(expected) + 1)]
    for i in reversed(range(len(expected) + 1)):
        for j in reversed(range(width)):
            costs[i][j] = min((cost for cost, _, _ in _moves(expected, events, costs, i, j)), default=0)
    rows: list[Row] = []
    i = j = 0
    while i < len(expected) or j < len(events):
        _, down, right = min(_moves(expected, events, costs, i, j))
        rows.append(_row(expected[i] if down else None, events[j] if right else None))
        i, j = i + down, j + right
    return rows


def _as_expected(expected: Sequence[Expected], events: Sequence[Event]) -> list[Event]:
    """Order what was told at the same instant as it is expected."""
    ordered: list[Event] = []
    for _, together in groupby(sorted(events, key=lambda event: event.at), lambda event: event.at):
        moment = list(together)
        ordered += _ordered(expected, moment) if len(moment) > 1 else moment
    return ordered


def _ordered(expected: Sequence[Expected], moment: Sequence[Event]) -> list[Event]:
    """The events of one instant, each at the place of what expects it; last those that nothing does."""
    places: list[int] = []
    for event in moment:
        found = (i for i, one in enumerate(expected) if i not in places and not _difference(one, event))
        places.append(next(found, len(expected)))
    return [event for _, event in sorted(zip(places, moment, strict=True), key=lambda pair: pair[0])]


def _moves(
    expected: Sequence[Expected], events: Sequence[Event], costs: list[list[int]], i: int, j: int
) -> Iterator[tuple[int, int, int]]:
    """What it costs to go on with a pair, or with one side alone."""
    if i < len(expected) and j < len(events) and _alike(expected[i], events[j]):
        yield costs[i + 1][j + 1] + bool(_difference(expected[i], events[j])), 1, 1
    if i < len(expected):
        yield costs[i + 1][j] + 2, 1, 0
    if j < len(events):
        yield costs[i][j + 1] + 2, 0, 1


def _row(expected: Expected | None, event: Event | None) -> Row:
    if event is None:
        return Row(expected, None, "it did not come")
    if expected is None:
        return Row(None, event, "nothing was expected here")
    return Row(expected, event, _difference(expected, event))


def _alike(expected: Expected, event: Event) -> bool:
    """They speak of the same thing, so what differs is worth saying."""
    return (expected.type, expected.subject) == (event.type, event.subject)


def _difference(expected: Expected, event: Event) -> str:
    """What differs; empty: nothing."""
    if not _alike(expected, event):
        return "another event"
    condition = condition_of(event)
    if expected.condition not in ("", condition):
        return f"expected {expected.condition}, got {condition}"
    if expected.begin is not None and event.at < expected.begin:
        return f"it came {format_duration(expected.begin - event.at)} too early"
    if expected.end is not None and event.at > expected.end:
        return f"it came {format_duration(event.at - expected.end)} too late"
    return next(_wrong_fields(expected, event), "")


def _wrong_fields(expected: Expected, event: Event) -> Iterator[str]:
    sent = {**event.data, "priority": event.priority.word}
    for name, value in expected.fields.items():
        if name not in sent:
            yield f"it has no field {name}: it has {', '.join(sorted(sent))}"
        elif not _same(value, sent[name]):
            yield f"expected {name}: {value}, got {sent[name]}"


def _same(one: Json, other: Json) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def condition_of(event: Event) -> str:
    """The level or condition that an event speaks of, the state of a flood; empty if it has none."""
    return str(event.data.get("condition") or event.data.get("state") or "")
