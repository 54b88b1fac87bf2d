"""What people see of an alarm rule's machines: one level, and the events that tell its changes.

The level is the most severe active condition; conditions that flip at the same instant make one
event. Journal conditions have no level: each activation is one `event.occurred`.

Rules for whoever changes it: every event of an alarm rule but `rule.unknown` is made in `project`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from agent.model import Event, EventType, Priority, Value
from agent.rules.machine import Machine, Phase, Zone
from agent.rules.spec import AlarmSpec, Condition, State
from agent.rules.state import AlarmState
from agent.rules.telling import Happening, tell
from agent.rules.view import View
from agent.rules.zone import zone

Mint: TypeAlias = Callable[[int], str]


def project(
    spec: AlarmSpec,
    state: AlarmState,
    machines: tuple[Machine, ...],
    at: int,
    view: View,
    mint: Mint,
    *,
    reason: str = "",
    looked: bool = False,
) -> tuple[AlarmState, list[Event]]:
    """Take the machines' new phases, and tell what changed for people."""
    events = [
        tell(
            spec,
            state,
            view,
            Happening(EventType.EVENT_OCCURRED, condition, at, mint(at), "", now.initial, now.since),
        )
        for condition, before, now in zip(spec.conditions, state.machines, machines, strict=True)
        if condition.say.priority is Priority.JOURNAL and now.active and not before.active
    ]
    moved = state if machines == state.machines else replace(state, machines=machines)
    top = _top(spec, machines)
    if top is None and state.occurrence:
        why = "returned_while_blind" if state.blind else reason
        # A reload may have taken the level's own limit out of the rule.
        levels = {condition.say.name: condition for condition in spec.conditions}
        left = levels.get(state.level, spec.conditions[-1])
        told = tell(spec, moved, view, Happening(EventType.ALARM_RETURNED, left, at, mint(at), why))
        return AlarmState(machines, spec.digest, seen=moved.seen, fault=moved.fault), [*events, told]
    kind = _kind(spec, state, top[0], view, looked=looked) if top else None
    if top is None or kind is None:
        return moved, events
    after, happening = _announce(moved, kind, *top, at, mint(at), view.value)
    if kind is EventType.ALARM_CHANGED:
        happening = replace(happening, reason=reason)
    return after, [*events, tell(spec, after, view, happening)]


def _announce(
    state: AlarmState,
    kind: EventType,
    condition: Condition,
    machine: Machine,
    at: int,
    identity: str,
    value: Value | None,
) -> tuple[AlarmState, Happening]:
    """The state once `condition` is the level that people know of."""
    priority = condition.say.priority
    new = not state.occurrence
    after = replace(
        state,
        level=condition.say.name,
        occurrence=identity if new else state.occurrence,
        onset=machine.since if new else state.onset,
        raised_at=at if new else state.raised_at,
        announced=state.announced if priority in state.announced else (*state.announced, priority),
        code=value if isinstance(condition, State) else None,
        recheck=False,
    )
    return after, Happening(kind, condition, at, identity, initial=machine.initial and new)


def _top(spec: AlarmSpec, machines: Sequence[Machine]) -> tuple[Condition, Machine] | None:
    """The most severe active condition; of two alike, the one that is not clearing."""
    standing = [
        (condition.say.rank, machine.phase is Phase.ACTIVE, -index)
        for index, (condition, machine) in enumerate(zip(spec.conditions, machines, strict=True))
        if machine.active and condition.say.priority is not Priority.JOURNAL
    ]
    if not standing:
        return None
    index = -max(standing)[2]
    return spec.conditions[index], machines[index]


def _kind(
    spec: AlarmSpec, state: AlarmState, top: Condition, view: View, *, looked: bool
) -> EventType | None:
    if not state.occurrence:
        return EventType.ALARM_RAISED
    if state.recheck:
        return EventType.ALARM_CHANGED if looked else None
    if top.say.name == state.level:
        return EventType.ALARM_CHANGED if looked and _code_changed(top, state, view) else None
    before = next((c.say.rank for c in spec.conditions if c.say.name == state.level), 0)
    if top.say.rank == before:
        return EventType.ALARM_CHANGED
    return EventType.ALARM_ESCALATED if top.say.rank > before else EventType.ALARM_DEESCALATED


def _code_changed(condition: Condition, state: AlarmState, view: View) -> bool:
    """A code moved within the active alarm. Measured values (floats) are no codes: they always move."""
    if not isinstance(condition, State) or isinstance(view.value, float):
        return False
    return view.value != state.code and zone(condition, view.value) is Zone.IN
