"""What an event of a rule says: its fields, and its sentence.

A field without meaning for the event is left out; unknown is None (design: delivery, "What is sent").
"""

from dataclasses import dataclass
from typing import Final

from agent.model import SECOND, Event, EventType, Json, Priority
from agent.rules.message import show, show_duration
from agent.rules.spec import Absence, AlarmSpec, Awaited, ChangeSpec, Condition, Limit, State
from agent.rules.state import AlarmState
from agent.rules.view import View
from agent.stamps import utc_text

_WORDS: Final = {"low_low": "low-low", "high_high": "high-high"}


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


def tell(spec: AlarmSpec, state: AlarmState, view: View, what: Happening) -> Event:
    """Make the event; `state` is the rule's state as the event leaves it."""
    condition, returned = what.condition, what.kind is EventType.ALARM_RETURNED
    data: dict[str, Json] = {"rule": spec.name, "instance": spec.name, "condition": condition.say.name}
    instants = {"onset": state.onset if what.onset is None else what.onset}
    if what.kind is EventType.RULE_UNKNOWN:
        instants = {}
    if what.kind.startswith("alarm."):
        data |= {"occurrence": state.occurrence, "level": "normal" if returned else condition.say.name}
    data |= _subject(spec, view) | _figures(condition)
    if state.peak is not None and what.kind is not EventType.EVENT_OCCURRED:
        data["peak"] = state.peak
    if returned:
        data["duration_s"] = (what.at - state.raised_at) / SECOND
    if returned and state.blind is not None:
        instants |= {"blind.from": state.blind[0], "blind.to": state.blind[1]}
    if what.initial:
        data["initial"] = True
    if what.reason:
        data["reason"] = what.reason
    priority = Priority.JOURNAL if what.kind is EventType.RULE_UNKNOWN else condition.say.priority
    wording = condition.say.message or spec.wording.message
    facts = data | {
        "priority": priority.word,
        "duration": show_duration(what.at - instants.get("onset", what.at)),
    }
    data["message"] = wording.fill(facts) if wording else _sentence(spec, condition, what.kind, facts)
    data["rules_hash"] = spec.digest
    return Event(
        what.id, what.kind, what.at, spec.name, priority, data, instants, view.tag, spec.name, state.announced
    )


def tell_change(
    spec: ChangeSpec, kind: EventType, identity: str, at: int, view: View, extra: dict[str, Json]
) -> Event:
    """Make the `tag.changed` of a report by exception."""
    data: dict[str, Json] = {"rule": spec.name, "instance": spec.name, "condition": "change"}
    data |= {"tag": view.tag, "value": view.value, "quality": view.quality.value}
    if view.unit:
        data["unit"] = view.unit
    if view.source_time is not None:
        data["source_time"] = utc_text(view.source_time)
    data |= extra
    facts = data | {"priority": spec.priority.word}
    data["message"] = (
        spec.wording.message.fill(facts)
        if spec.wording.message
        else f"{view.tag} is {_with_unit(view.value, view.unit)}"
    )
    data["rules_hash"] = spec.digest
    return Event(identity, kind, at, spec.name, spec.priority, data, {}, view.tag, spec.name)


def _subject(spec: AlarmSpec, view: View) -> dict[str, Json]:
    if spec.of_source:
        return {"source": spec.subject, **({"cause": view.reason} if view.reason else {})}
    data: dict[str, Json] = {"tag": view.tag, "value": view.value, "quality": view.quality.value}
    if view.unit:
        data["unit"] = view.unit
    if view.source_time is not None:
        data["source_time"] = utc_text(view.source_time)
    return data


def _figures(condition: Condition) -> dict[str, Json]:
    if isinstance(condition, Limit):
        return {"limit": condition.at, **({"deadband": condition.deadband} if condition.deadband else {})}
    return {}


def _with_unit(value: Json, unit: Json) -> str:
    return f"{show(value)} {unit}" if unit and value is not None else show(value)


def _sentence(spec: AlarmSpec, condition: Condition, kind: EventType, facts: dict[str, Json]) -> str:
    """The sentence that is sent when the rule has none of its own."""
    if kind is EventType.RULE_UNKNOWN:
        return f"{spec.name} cannot be decided: {facts['reason']}"
    head = f"{spec.name}: "
    back = kind is EventType.ALARM_RETURNED
    unit = facts.get("unit")
    match condition:
        case Limit(at=at):
            is_now = f"{facts['tag']} is {_with_unit(facts['value'], unit)}"
            name = _WORDS.get(condition.say.name, condition.say.name)
            return head + is_now + (", back to normal" if back else f", {name} limit {_with_unit(at, unit)}")
        case State():
            return (
                head
                + f"{facts['tag']} is {_with_unit(facts['value'], unit)}"
                + (", back to normal" if back else "")
            )
        case Absence(awaited=Awaited.CONNECTION):
            cause = f": {facts['cause']}" if facts.get("cause") else ""
            return head + f"{spec.subject} " + ("is connected again" if back else f"is not connected{cause}")
        case Absence(awaited=Awaited.QUALITY):
            return head + f"{facts['tag']} " + ("can be read again" if back else "cannot be read")
        case Absence(within=within):
            missing = f"has sent nothing for {show_duration(within)}"
            return head + f"{facts['tag']} " + ("is alive again" if back else missing)
