"""A sample event of a rule, as it would be sent: for trying a receiver before anything happens."""

from dataclasses import replace

from agent.model import Event, EventType, Quality, Reading, TagSpec, Value
from agent.rules.inputs import Source, Tag, TagState
from agent.rules.spec import ChangeSpec, Condition, Limit, RuleSpec, State
from agent.rules.state import fresh_state
from agent.rules.telling import Happening, tell, tell_change


def sample_event(spec: RuleSpec, tag: TagSpec | None, identity: str, at: int) -> Event:
    """The event that `spec` would make, had its most severe condition just come true.

    Args:
        spec: the rule.
        tag: what it watches; None when it watches a source.
        identity: the event's id.
        at: monotonic nanoseconds.
    """
    source = Source(tag.source if tag else spec.subject, at)
    if isinstance(spec, ChangeSpec):
        return tell_change(spec, EventType.TAG_CHANGED, identity, at, _holding(tag, source, 1, at), {})
    condition = spec.conditions[-1]
    view = _holding(tag, source, _true_for(condition), at) if tag else source
    state = replace(fresh_state(spec), level=condition.say.name, occurrence=identity, onset=at, raised_at=at)
    return tell(spec, state, view, Happening(EventType.ALARM_RAISED, condition, at, identity))


def _holding(tag: TagSpec | None, source: Source, value: Value, at: int) -> Tag:
    holder = Tag(tag or TagSpec("", source.name), source, at)
    holder.become(TagState(Reading(holder.tag, value, Quality.GOOD, at), None, at))
    return holder


def _true_for(condition: Condition) -> Value:
    match condition:
        case Limit(at=limit):
            return limit
        case State(values=values, negated=False):
            return values[0]
        case _:
            return 0
