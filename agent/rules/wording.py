"""The sentences of events: what people read when a rule has no message of its own."""

from typing import Final, assert_never

from agent.model import EventType, Json
from agent.rules.message import show, show_duration
from agent.rules.spec import (
    Absence,
    AlarmSpec,
    Awaited,
    Bit,
    Condition,
    Counter,
    Deviation,
    Limit,
    Rate,
    RuleSpec,
    State,
    Still,
    Unusual,
    Window,
)

_WORDS: Final = {"low_low": "low-low", "high_high": "high-high"}
OF_THE_RULE: Final = {
    EventType.ALARM_ACKNOWLEDGED: " was acknowledged by {by}",
    EventType.ALARM_RESET: " was reset by {by}",
    EventType.ALARM_SHELVED: " was shelved by {by}: {reason}",
    EventType.ALARM_UNSHELVED: " is not shelved any more: {reason}",
    EventType.ALARM_SUPPRESSED: " is suppressed: {reason}",
    EventType.ALARM_OUT_OF_SERVICE: " was taken out of service by {by}: {reason}",
    EventType.ALARM_IN_SERVICE: " is in service again, by {by}",
    EventType.ALARM_CHATTERING: " chatters: it was raised {raises} times, and returns only for good from now on",
    EventType.RULE_TRIAL: " is on trial: it would have been raised {raises} times",
    EventType.RULE_UNKNOWN: " cannot be decided: {reason}",
}
"""What happened to the rule and not to the plant: there the rule's own message would mislead."""


def sentence(
    spec: AlarmSpec, condition: Condition, kind: EventType, facts: dict[str, Json], watched: str
) -> str:
    """The sentence of an event; `watched` is how `name_of` names the rule's subject."""
    if kind is EventType.ALARM_UNSHELVED and facts.get("by"):
        return f"{spec.name} was unshelved by {facts['by']}"
    if kind in OF_THE_RULE:
        return spec.name + OF_THE_RULE[kind].format_map({name: show(value) for name, value in facts.items()})
    if kind is EventType.ALARM_RETURNED and facts.get("reason") == "disabled":
        return f"{spec.name}: it is not watched any more"
    still = "still " if kind is EventType.ALARM_REMINDER else ""
    affairs = _affairs(condition, facts, watched, back=kind is EventType.ALARM_RETURNED)
    return f"{spec.name}: {still}{affairs}"


def _affairs(  # noqa: PLR0911 - one for each condition
    condition: Condition, facts: dict[str, Json], watched: str, *, back: bool
) -> str:
    unit = facts.get("unit")
    value = with_unit(facts.get("value"), unit)
    match condition:
        case Limit():
            word = _WORDS.get(condition.say.name, condition.say.name)
            beyond = f"{word} limit {with_unit(facts.get('limit'), unit)}"
            return f"{watched} is {value}, {'back to normal' if back else beyond}"
        case State():
            meaning = f" ({facts['meaning']})" if facts.get("meaning") else ""
            return f"{watched} is {value}{meaning}{', back to normal' if back else ''}"
        case Bit(number=number):
            return f"bit {number} of {watched} is {'clear again' if back else 'set'}"
        case Still(by=by, rising=rising, say=say):
            moves = f"{'risen' if rising else 'changed'} by {with_unit(by, unit)}"
            missing = f"has not {moves} for {show_duration(say.wait)}"
            return f"{watched} {f'has {moves} again' if back else missing}"
        case Absence(awaited=Awaited.CONNECTION):
            cause = f": {facts['cause']}" if facts.get("cause") else ""
            return f"{watched} {'is connected again' if back else f'is not connected{cause}'}"
        case Absence(awaited=Awaited.QUALITY):
            return f"{watched} {'can be read again' if back else 'cannot be read'}"
        case Absence(within=within):
            missing = f"has sent nothing for {show_duration(within)}"
            return f"{watched} {'is alive again' if back else missing}"
        case _:
            assert_never(condition)


def name_of(spec: RuleSpec) -> str:
    """What is watched, as a sentence names it."""
    name = spec.subject or (spec.calc.text if spec.calc is not None else "")
    for measure in spec.measures:
        match measure:
            case Counter():
                pass
            case Window(over=over, take=take):
                name = f"the {take.value} of {name} over {show_duration(over)}"
            case Deviation(tag=tag):
                name = f"the deviation of {name} from {tag}"
            case Rate():
                name = f"the rate of change of {name}"
            case Unusual():
                name = f"the unusualness of {name}"
            case _:
                assert_never(measure)
    return name


def with_unit(value: Json, unit: Json) -> str:
    """A value with its unit, if both are known."""
    return f"{show(value)} {unit}" if unit and value is not None else show(value)
