"""What an event of a rule says: its fields, and its sentence.

A field without meaning for the event is left out; unknown is None (design: delivery, "What is sent").
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from agent.model import SECOND, Event, EventType, Json, Priority, Value
from agent.rules.board import Subject
from agent.rules.message import show_duration
from agent.rules.spec import (
    AlarmSpec,
    Bit,
    ChangeSpec,
    Condition,
    Counter,
    Deviation,
    Limit,
    Measure,
    Rate,
    RuleSpec,
    State,
    Still,
    Unusual,
    Window,
)
from agent.rules.state import AlarmState
from agent.rules.view import Sight
from agent.rules.wording import OF_THE_RULE, name_of, sentence, with_unit
from agent.stamps import utc_text

_OVER: Final = {EventType.ALARM_RETURNED, EventType.ALARM_RESET}
_ASKS: Final = {
    EventType.ALARM_RAISED,
    EventType.ALARM_ESCALATED,
    EventType.ALARM_CHANGED,
    EventType.ALARM_REMINDER,
    EventType.ALARM_UNSUPPRESSED,
}


@dataclass(frozen=True, slots=True)
class Happening:
    """What is to be told: `kind` about `condition` at the instant `at`, under the event id `id`."""

    kind: EventType
    condition: Condition
    at: int
    id: str
    reason: str = ""
    initial: bool = False
    onset: int | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)


def tell(spec: AlarmSpec, state: AlarmState, view: Sight, what: Happening) -> Event:
    """Make the event; `state` is the rule's state as the event leaves it."""
    condition, kind = what.condition, what.kind
    data = _head(spec, condition.say.name)
    instants = {"onset": state.onset if what.onset is None else what.onset}
    if kind in (EventType.RULE_UNKNOWN, EventType.RULE_TRIAL) or not (state.level or state.occurrence):
        instants = {} if what.onset is None else instants
    if kind.startswith("alarm."):
        level = "normal" if kind in _OVER or not state.level else condition.say.name
        data |= {"occurrence": state.occurrence or None, "level": level}
    data |= _subject(spec, view) | _figures(spec, condition, view)
    data |= _further(spec, state, view, what)
    if kind is EventType.ALARM_RETURNED and state.blind is not None:
        instants |= {"blind.from": state.blind[0], "blind.to": state.blind[1]}
    priority = Priority.JOURNAL if kind is EventType.RULE_UNKNOWN else condition.say.priority
    facts = data | {
        "priority": priority.word,
        "duration": show_duration(what.at - instants.get("onset", what.at)),
    }
    data["message"] = _message(spec, condition, kind, facts)
    data["rules_hash"] = spec.digest
    return Event(
        what.id,
        kind,
        what.at,
        spec.name,
        priority,
        data,
        instants,
        view.tag,
        spec.rule_id,
        state.announced,
        spec.wording.send_to,
    )


def tell_change(
    spec: ChangeSpec, kind: EventType, identity: str, at: int, view: Sight, extra: dict[str, Json]
) -> Event:
    """Make the `tag.changed` of a report by exception, or say why it is unknown (`reason` in `extra`)."""
    data = _head(spec, "change") | _values(spec, view) | extra
    if spec.wording.fields:
        data["fields"] = dict(view.fields())
    facts = _facts(data) | {"priority": spec.priority.word}
    wording = spec.wording.message
    if kind in OF_THE_RULE:
        data["message"] = f"{spec.name} cannot be decided: {extra['reason']}"
    elif wording:
        data["message"] = wording.fill(facts)
    else:
        data["message"] = f"{name_of(spec)} is {with_unit(_value(view), view.unit)}"
    data["rules_hash"] = spec.digest
    rule, send_to = spec.rule_id, spec.wording.send_to
    return Event(identity, kind, at, spec.name, spec.priority, data, {}, view.tag, rule, (), send_to)


def suggested_deadband(condition: Condition, dip: float | None, view: Sight) -> float | None:
    """A deadband that would have made one alarm of many: a little more than the value came back by.

    Rounded up to two digits; None where no deadband helps.
    """
    if not isinstance(condition, Limit) or dip is None:
        return None
    back = (view.limit(condition) - dip) * condition.side * 1.1
    if back <= 0:
        return None
    step = 10.0 ** (math.floor(math.log10(back)) - 1)
    return float(f"{math.ceil(back / step) * step:.6g}")


def _head(spec: RuleSpec, condition: str) -> dict[str, Json]:
    return {"rule": spec.rule_id, "instance": spec.name, "condition": condition}


def _subject(spec: AlarmSpec, view: Sight) -> dict[str, Json]:
    if spec.of_source:
        return {"source": spec.subject, **({"cause": view.subject.reason} if view.subject.reason else {})}
    return _values(spec, view)


def _values(spec: RuleSpec, view: Sight) -> dict[str, Json]:
    data: dict[str, Json] = {"tag": view.tag} if view.tag else {}
    if spec.calc is not None:
        data["calc"] = spec.calc.text
    data |= {"value": _value(view), "quality": view.quality.value}
    if view.unit:
        data["unit"] = view.unit
    if spec.measures:
        data["measure"] = [_measure(measure) for measure in spec.measures]
        data["tag_value"] = _value(view.subject)
    if view.source_time is not None:
        data["source_time"] = utc_text(view.source_time)
    return data


def _value(seen: Sight | Subject) -> Value | None:
    try:
        return seen.value
    except TypeError:
        return None  # the event says itself that the calculation makes no sense


def _measure(measure: Measure) -> str:
    match measure:
        case Counter():
            return "counter"
        case Window(take=take):
            return f"window {take.value}"
        case Deviation():
            return "deviation_from"
        case Rate():
            return "rate_of_change"
        case Unusual():
            return "unusual"
        case _:
            assert_never(measure)


def _figures(spec: AlarmSpec, condition: Condition, view: Sight) -> dict[str, Json]:
    match condition:
        case Limit(deadband=deadband, at=at):
            try:
                data: dict[str, Json] = {"limit": view.limit(condition)}
            except TypeError:
                data = {"limit": None}
            if isinstance(at, str):
                data["limit_tag"] = at
            deviation = next((each for each in spec.measures if isinstance(each, Deviation)), None)
            if deviation is not None:
                data["setpoint_tag"] = deviation.tag
            return data | ({"deadband": deadband} if deadband else {})
        case State() if (value := _value(view)) in spec.wording.codes:
            return {"meaning": spec.wording.codes[value]} if value is not None else {}
        case Bit(number=number):
            return {"bit": number}
        case Still(by=by, say=say):
            return {"expected": by, "within_s": say.wait / SECOND}
        case _:
            return {}


def _further(spec: AlarmSpec, state: AlarmState, view: Sight, what: Happening) -> dict[str, Json]:
    """What only some events have."""
    kind, wording = what.kind, spec.wording
    asks, returned = kind in _ASKS, kind is EventType.ALARM_RETURNED
    peak = None if kind is EventType.EVENT_OCCURRED else state.peak(spec, what.condition)
    data: dict[str, tuple[bool, Json]] = {
        "peak": (peak is not None, peak),
        "duration_s": (returned, (what.at - state.raised_at) / SECOND),
        "initial": (what.initial, True),
        "reason": (bool(what.reason), what.reason),
        "repeat": (state.repeat > 0 and kind.startswith("alarm."), state.repeat),
        "acknowledged_by": (bool(state.acknowledged), state.acknowledged),
        "suppressed_by": (bool(view.suppressed), list(view.suppressed)),
        "response": (asks and bool(wording.response), wording.response),
        "time_to_respond_s": (
            asks and wording.time_to_respond is not None,
            (wording.time_to_respond or 0) / SECOND,
        ),
        "fields": (bool(wording.fields), dict(view.fields())),
    }
    return {**{name: value for name, (has, value) in data.items() if has}, **what.extra}


def _facts(data: dict[str, Json]) -> dict[str, Json]:
    """What a message may name: the event's own fields, and those that the rule adds."""
    fields = data.get("fields")
    return (fields if isinstance(fields, dict) else {}) | data


def _message(spec: AlarmSpec, condition: Condition, kind: EventType, facts: dict[str, Json]) -> str:
    wording = condition.say.message or spec.wording.message
    if wording and kind not in OF_THE_RULE:
        return wording.fill(_facts(facts))
    return sentence(spec, condition, kind, facts, name_of(spec))
