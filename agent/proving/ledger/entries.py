"""A line of a receiver's log as the facts that count in a ledger, whatever envelope they came in.

A line is a body as it was received, or `{"body": ..., "path": ...}` around it. A body is one event (as JSON
or as a CloudEvent), several in a batch, or the receipt that `edge-relay receiver` keeps; a template may have
put the fields anywhere, so what counts is an object with `seq` and `epoch` in it.

Rules for whoever changes this: pure; receivers keep logs for years, so what was understood once is
understood for ever; a field of the wrong type counts as missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import orjson

from agent.model import EventType, Json
from agent.proving.ledger.chain import UNKNOWN

_DEPTH: Final = 4
"""A body in a line, a batch in a body, an event in a batch, its data."""

Span: TypeAlias = tuple[int, int]
"""Two numbers, as the record has them."""


class LineError(ValueError):
    """This is no line of a receiver's log; the text says why."""


class Who(NamedTuple):
    """Whose numbers these are; `path` tells two destinations of one receiver apart, where the log has it."""

    site: str
    agent: str
    epoch: str
    path: str = ""


class Numbered(NamedTuple):
    """An event with a number. `late`: it was sent again by hand, out of order."""

    who: Who
    seq: int
    previous: int | None
    at: int
    late: bool


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """An event that carries no number: it proves nothing."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat: how far its destination should have come.

    Attributes:
        high_water: the newest number that was addressed to the destination; None: none was.
        waiting: how many of its events had no outcome yet.
    """

    who: Who
    at: int
    destination: str
    high_water: int | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The agent had to let go of events (`store.overflow`).

    Attributes:
        seq: of the event that tells it.
        first, last: the numbers between which they stood.
        count: how many they were.
        numbers: which ones exactly, as first and last of each run; None: the record does not say.
        chains: by destination, what was let go of as `[previous, last]`: of the numbers between, all that
            were addressed to it.
        counts: by destination, how many of its events were among them.
        replaces: numbers of earlier records, all of which this one says again.
    """

    who: Who
    seq: int
    at: int
    first: int
    last: int
    count: int
    numbers: tuple[Span, ...] | None
    chains: Mapping[str, tuple[Span, ...]]
    counts: Mapping[str, int]
    replaces: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Death:
    """An event was given up for one destination (`delivery.dead`).

    Attributes:
        destination: which.
        seq: the event.
        previous: the number before it that was addressed there; UNKNOWN: the record does not say.
        reason: why.
    """

    who: Who
    destination: str
    seq: int
    previous: int
    reason: str


@dataclass(frozen=True, slots=True)
class StateLost:
    """A new epoch began because the store was damaged or gone."""

    who: Who
    at: int
    message: str


Entry: TypeAlias = Numbered | Unnumbered | Beat | Gap | Death | StateLost


def read_line(line: bytes) -> Iterator[Entry]:
    """Give what a line tells.

    Raises:
        LineError: it is not JSON, or not of an event.
    """
    try:
        value: Json = orjson.loads(line)
    except ValueError:
        raise LineError("not JSON: expected an event a line, as the receiver took it") from None
    return _read(value, "", _DEPTH)


def _read(value: Json, path: str, depth: int) -> Iterator[Entry]:
    if isinstance(value, list) and value and depth:  # CloudEvents, a batch
        for each in value:
            yield from _read(each, path, depth - 1)
        return
    if not isinstance(value, dict):
        raise LineError("not an event: expected a JSON object")
    if "body" in value and "seq" not in value and depth:
        yield from _read(_body(value["body"]), _text(value, "path") or path, depth - 1)
        return
    data = value.get("data")
    fields = data if isinstance(data, dict) else value
    members = fields.get("events")
    if value.get("type") == "batch" and isinstance(members, list) and depth:
        for each in members:
            yield from _read(each, path, depth - 1)
        return
    yield from _event(value, fields, path)


def _body(body: Json) -> Json:
    """A body that was kept as text."""
    if not isinstance(body, str):
        return body
    try:
        value: Json = orjson.loads(body)
    except ValueError:
        raise LineError("the body is not JSON: expected the event as it was sent") from None
    return value


def _event(value: Mapping[str, Json], fields: Mapping[str, Json], path: str) -> Iterator[Entry]:
    who = Who(_text(fields, "site"), _text(fields, "agent"), _text(fields, "epoch"), path)
    kind = _text(value, "type") or _text(fields, "type")
    at = _instant(value.get("timestamp") or value.get("time") or fields.get("timestamp"))
    seq = _number(fields, "seq")
    if seq is None or not who.epoch:
        beat = kind == EventType.AGENT_HEARTBEAT and bool(who.epoch)
        yield _beat(who, at, fields) if beat else Unnumbered()
        return
    yield Numbered(who, seq, _number(fields, "previous"), at, fields.get("late") is True)
    match kind:
        case EventType.STORE_OVERFLOW:
            yield from _gap(who, seq, at, fields)
        case EventType.DELIVERY_DEAD if (dead := _number(fields, "event_seq")) is not None:
            destination, reason = _text(fields, "destination"), _text(fields, "reason")
            yield Death(who, destination, dead, _previous(fields, "event_previous"), reason)
        case EventType.AGENT_STATE_LOST:
            yield StateLost(who, at, _text(fields, "message") or _text(fields, "reason"))


def _beat(who: Who, at: int, fields: Mapping[str, Json]) -> Beat:
    waiting = _number(fields, "waiting") or 0
    return Beat(who, at, _text(fields, "destination"), _number(fields, "high_water"), waiting)


def _gap(who: Who, seq: int, at: int, fields: Mapping[str, Json]) -> Iterator[Gap]:
    first, last, count = (_number(fields, name) for name in ("first", "last", "count"))
    if first is None or last is None:
        return
    chains = fields.get("chains")
    known = {
        name: spans
        for name, value in (chains.items() if isinstance(chains, dict) else ())
        if (spans := _spans(value)) is not None
    }
    numbers = _spans(fields.get("seqs"))
    told = fields.get("destinations")
    counts = {
        name: number
        for name, number in (told.items() if isinstance(told, dict) else ())
        if isinstance(number, int)
    }
    replaces = _spans(fields.get("replaces")) or ()
    yield Gap(who, seq, at, first, last, count or 0, numbers, known, counts, replaces)


def _spans(value: Json) -> tuple[Span, ...] | None:
    """`[[3, 9], [12, 12]]`; a null stands for nothing before the first. None: it is no such list."""
    if not isinstance(value, list):
        return None
    spans: list[Span] = []
    for each in value:
        if not isinstance(each, list) or len(each) != 2:  # noqa: PLR2004 - two ends
            return None
        low, high = 0 if each[0] is None else each[0], each[1]
        if not isinstance(low, int) or not isinstance(high, int):
            return None
        spans.append((low, high))
    return tuple(spans)


def _previous(fields: Mapping[str, Json], name: str) -> int:
    """A number; null, which is written for the first of a destination, is 0; UNKNOWN where there is none."""
    if name in fields and fields[name] is None:
        return 0
    number = _number(fields, name)
    return UNKNOWN if number is None else number


def _text(fields: Mapping[str, Json], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _number(fields: Mapping[str, Json], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _instant(text: Json) -> int:
    """A stamp as milliseconds UTC; UNKNOWN if it is none."""
    if not isinstance(text, str):
        return UNKNOWN
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        return UNKNOWN
    return UNKNOWN if stamp.tzinfo is None else int(stamp.timestamp() * 1000)
