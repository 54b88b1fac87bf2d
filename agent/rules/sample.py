"""A sample event of a rule, as it would be sent: for trying a receiver before anything happens."""

from collections.abc import Mapping
from dataclasses import replace

from agent.model import Event, EventType, Quality, Reading, TagSpec, Value
from agent.rules.board import Board
from agent.rules.dependencies import inputs_of
from agent.rules.inputs import Source, Tag, TagState
from agent.rules.measure import Measured
from agent.rules.projection import standing
from agent.rules.runs import start_run
from agent.rules.spec import AlarmSpec, Bit, ChangeSpec, Condition, Limit, RuleSpec, State
from agent.rules.state import fresh_state
from agent.rules.telling import Happening, tell, tell_change
from agent.rules.view import Sight


def sample_event(spec: RuleSpec, tags: Mapping[str, TagSpec], identity: str, at: int) -> Event:
    """The event that `spec` would make, had its most severe condition just come true.

    Args:
        spec: the rule.
        tags: every tag that there is.
        identity: the event's id.
        at: monotonic nanoseconds.
    """
    if isinstance(spec, ChangeSpec):
        return tell_change(spec, EventType.TAG_CHANGED, identity, at, _sight(spec, tags, 1, at), {})
    calm = fresh_state(spec)
    condition = standing(spec, calm)
    view = _sight(spec, tags, _true_for(condition), at)
    state = replace(calm, level=condition.say.name, occurrence=identity, onset=at, raised_at=at)
    return tell(spec, state, view, Happening(EventType.ALARM_RAISED, condition, at, identity))


def _sight(spec: RuleSpec, tags: Mapping[str, TagSpec], value: Value, at: int) -> Sight:
    board = Board(at)
    for name in {*inputs_of(spec), *spec.wording.fields.values()}:
        source = board.sources.setdefault(tags[name].source, Source(tags[name].source, at))
        board.tags[name] = Tag(tags[name], source, at)
        board.tags[name].become(TagState(Reading(name, value, Quality.GOOD, at), None, at))
    if isinstance(spec, AlarmSpec) and spec.of_source:
        board.sources[spec.subject] = Source(spec.subject, at)
    sight = start_run(spec, board, 0).sight
    if spec.measures:
        sight.measured = Measured((), float(value) if not isinstance(value, str) else None)
    return sight


def _true_for(condition: Condition) -> Value:
    match condition:
        case Limit(at=limit) if not isinstance(limit, str):
            return limit
        case State(values=values, negated=False):
            return values[0]
        case Bit(number=number):
            return 1 << number
        case _:
            return 0
