"""What a person reads of an arrival: one line, with a tone that a terminal may colour.

Rules for whoever changes this file: pure text; an event with fewer fields than expected still makes
a line.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from agent.demo.receiver import Arrival
from agent.model import SECOND, Json


class Tone(StrEnum):
    """How a line is meant."""

    SCENE = "scene"
    ALARM = "alarm"
    GOOD = "good"
    PROBLEM = "problem"
    PLAIN = "plain"


def tone_of(arrival: Arrival) -> Tone:
    """The tone of an arrival: alarms stand out, returns calm down."""
    if arrival.receipt is None:
        return Tone.PROBLEM
    match arrival.receipt.type:
        case "alarm.raised" | "alarm.escalated":
            return Tone.ALARM
        case "alarm.returned" | "alarm.deescalated":
            return Tone.GOOD
        case _:
            return Tone.PLAIN


def arrival_line(arrival: Arrival) -> str:
    """`08:00:03.120  alarm.raised  R1-temperature  R1.TT101 = 171.2 °C  (high 170)  seq 12  signature ok`."""
    time = datetime.fromtimestamp(arrival.at_wall / SECOND, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    data = data_of(arrival.event)
    parts = [time, _text(arrival.event.get("type")) or "(not a standard event)", _text(data.get("rule"))]
    if tag := _text(data.get("tag")):
        parts.append(f"{tag} = {measured(data)}")
    if (threshold := crossed(data)) and data.get("level") != "normal":
        parts.append(f"({threshold})")
    return "  ".join(part for part in (*parts, *_verdict(arrival)) if part)


def way_line(arrival: Arrival, ways: Mapping[str, str]) -> str:
    """`Modbus 40011 = 171.2 °C -> high 170 -> POST 14 ms after -> seq 12 -> signature ok`; `ways` by tag."""
    data = data_of(arrival.event)
    kind = _text(arrival.event.get("type"))
    tag = _text(data.get("tag"))
    start = f"{ways.get(tag, tag)} = {measured(data)}" if tag else _text(data.get("rule")) or "agent"
    return " -> ".join(
        part for part in (start, _happened(kind, data), _delay(arrival), *_verdict(arrival)) if part
    )


def _happened(kind: str, data: Mapping[str, Json]) -> str:
    """`high 170`, `escalated high_high 185`, `returned`, `P101-stopped raised`."""
    verb = kind.partition(".")[2] or kind
    threshold = crossed(data)
    if threshold and kind != "alarm.returned":
        return threshold if kind == "alarm.raised" else f"{verb} {threshold}"
    names_rule = kind.startswith("alarm.") and not threshold and data.get("tag")
    return f"{_text(data.get('rule'))} {verb}".strip() if names_rule else verb


def data_of(event: Mapping[str, Json]) -> Mapping[str, Json]:
    """The event's `data`, empty if it has none."""
    data = event.get("data")
    return data if isinstance(data, dict) else {}


def measured(data: Mapping[str, Json]) -> str:
    """`171.2 °C`, `true`, `unknown`."""
    return f"{_value(data.get('value'))} {_text(data.get('unit'))}".strip()


def crossed(data: Mapping[str, Json]) -> str:
    """`high 170`, empty for an event without a limit."""
    return (
        f"{_text(data.get('level')) or 'limit'} {_value(data['limit'])}"
        if data.get("limit") is not None
        else ""
    )


def _verdict(arrival: Arrival) -> list[str]:
    if arrival.problem:
        return [f"answered {arrival.status}: {arrival.problem}"]
    if arrival.receipt is None:
        return ["signature ok", f"answered {arrival.status} on purpose"]
    seq = [] if arrival.receipt.seq is None else [f"seq {arrival.receipt.seq}"]
    again = [f"again (duplicate {arrival.receipt.duplicates})"] if arrival.receipt.duplicates else []
    return [*seq, "signature ok", *again]


def _delay(arrival: Arrival) -> str:
    """From the stamp of the event to its arrival; both clocks are this machine's in the demo."""
    try:
        stamp = datetime.fromisoformat(_text(arrival.event.get("timestamp")))
    except ValueError:
        return ""
    seconds = arrival.at_wall / SECOND - stamp.timestamp()
    return f"POST {seconds:.1f} s after" if seconds >= 1 else f"POST {max(seconds, 0) * 1000:.0f} ms after"


def _value(value: Json) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
