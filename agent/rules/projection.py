"""What people see of an alarm rule's machines: one level, and the events that tell its changes.

The level is the most severe active condition; conditions that flip at the same instant make one
event. Journal conditions have no level: each activation is one `event.occurred`. While the rule is
suppressed everything goes on but the telling: only whoever got `raised` gets `returned`.

Rules for whoever changes it: every event of an alarm rule but `rule.unknown` and those of the
operator's hand is made here.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from agent.model import Event, EventType, Json, Priority
from agent.rules.gate import TRIAL
from agent.rules.machine import Machine, Phase, Zone
from agent.rules.spec import Absence, AlarmSpec, Condition, Limit, State
from agent.rules.state import AlarmState
from agent.rules.telling import Happening, suggested_deadband, tell
from agent.rules.view import Sight
from agent.rules.zone import zone

Mint: TypeAlias = Callable[[int], str]


def project(
    spec: AlarmSpec,
    state: AlarmState,
    machines: tuple[Machine, ...],
    at: int,
    view: Sight,
    mint: Mint,
    *,
    reason: str = "",
    looked: bool = False,
) -> tuple[AlarmState, list[Event]]:
    """Take the machines' new phases, and tell what changed for people."""
    events = [] if view.suppressed else _occurred(spec, state, machines, at, view, mint)
    moved = state if machines == state.machines else replace(state, machines=machines)
    top = _top(spec, machines)
    if top is None:
        if not state.level:
            return moved, events
        after, told = _end(spec, state, moved, at, view, mint, reason)
        return after, [*events, *told]
    kind = _kind(spec, state, top[0], view, looked=looked)
    if kind is None:
        return moved, events
    if view.suppressed:
        return _silently(moved, kind, top, at, view), events
    after, told = _announce(spec, moved, kind, top, at, view, mint, reason)
    return after, [*events, *told]


def _occurred(
    spec: AlarmSpec, state: AlarmState, machines: Sequence[Machine], at: int, view: Sight, mint: Mint
) -> list[Event]:
    """Of conditions that make an event each time they come true, and no alarm."""
    return [
        tell(
            spec,
            state,
            view,
            Happening(EventType.EVENT_OCCURRED, condition, at, mint(at), "", now.initial, now.since),
        )
        for condition, before, now in zip(spec.conditions, state.machines, machines, strict=True)
        if condition.say.priority is Priority.JOURNAL and now.active and not before.active
    ]


def _end(
    spec: AlarmSpec, state: AlarmState, moved: AlarmState, at: int, view: Sight, mint: Mint, reason: str
) -> tuple[AlarmState, list[Event]]:
    """Back to normal; the occurrence stays open where a person has to see it first."""
    stays = bool(state.occurrence) and (spec.latch or (spec.acknowledge and not state.acknowledged))
    extremes = _still_crossed(spec, moved)
    if stays:
        after = replace(
            moved, level="", chattering=False, blind=None, recheck=False, extremes=extremes, silent=False
        )
    else:
        after = AlarmState(
            moved.machines,
            spec.digest,
            seen=moved.seen,
            fault=moved.fault,
            raises=() if reason == "disabled" else moved.raises,
            dip=moved.dip,
            trials=moved.trials,
            extremes=extremes,
        )
    if state.silent or not state.occurrence:
        return after, []
    # A reload may have taken the level's own limit out of the rule.
    left = {condition.say.name: condition for condition in spec.conditions}.get(
        state.level, spec.conditions[-1]
    )
    why = "returned_while_blind" if state.blind else reason
    extra: dict[str, Json] = {"open": True} if stays else {}
    told = tell(spec, moved, view, Happening(EventType.ALARM_RETURNED, left, at, mint(at), why, extra=extra))
    return after, [told]


def _still_crossed(spec: AlarmSpec, state: AlarmState) -> tuple[float, float] | None:
    """The extremes, where another limit's delay still runs though the alarm is over."""
    runs = any(
        isinstance(condition, Limit) and machine.phase is not Phase.NORMAL
        for condition, machine in zip(spec.conditions, state.machines, strict=True)
    )
    return state.extremes if runs else None


def _silently(
    state: AlarmState, kind: EventType, top: tuple[Condition, Machine], at: int, view: Sight
) -> AlarmState:
    """The level moves, and nobody is told."""
    condition, machine = top
    rises = not state.level
    return replace(
        state,
        level=condition.say.name,
        onset=machine.since if rises and not state.occurrence else state.onset,
        raised_at=at if rises and not state.occurrence else state.raised_at,
        acknowledged="" if kind is EventType.ALARM_ESCALATED else state.acknowledged,
        recheck=False,
        silent=state.silent or rises,
        trials=state.trials + (rises and TRIAL in view.suppressed),
    )


def _announce(
    spec: AlarmSpec,
    state: AlarmState,
    kind: EventType,
    top: tuple[Condition, Machine],
    at: int,
    view: Sight,
    mint: Mint,
    reason: str,
) -> tuple[AlarmState, list[Event]]:
    """Tell that `top` is the level now, and remember what was told."""
    condition, machine = top
    priority, identity, new = condition.say.priority, mint(at), not state.occurrence
    raised = kind is EventType.ALARM_RAISED
    after = replace(
        state,
        level=condition.say.name,
        occurrence=identity if new else state.occurrence,
        onset=machine.since if raised else state.onset,
        raised_at=at if raised else state.raised_at,
        announced=state.announced if priority in state.announced else (*state.announced, priority),
        repeat=state.repeat + (raised and not new),
        acknowledged=""
        if kind in (EventType.ALARM_RAISED, EventType.ALARM_ESCALATED)
        else state.acknowledged,
        reminded=at,
        code=view.value if isinstance(condition, State) else None,
        recheck=False,
        silent=False,
    )
    why = reason if kind is EventType.ALARM_CHANGED else ""
    initial = machine.initial and new
    events = [tell(spec, after, view, Happening(kind, condition, at, identity, why, initial=initial))]
    if raised and spec.chattering is not None:
        after, told = _count_raise(spec, after, condition, at, view, mint)
        events += told
    return after, events


def _count_raise(
    spec: AlarmSpec, state: AlarmState, condition: Condition, at: int, view: Sight, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """Raised again and again: from now on a return must last (design: rules, `chattering:`)."""
    limits = spec.chattering
    if limits is None:
        return state, []
    raises = (*(raised for raised in state.raises if raised > at - limits.within), at)
    if state.chattering or len(raises) < limits.raises:
        return replace(state, raises=raises), []
    after = replace(state, raises=raises, chattering=True)
    extra: dict[str, Json] = {"raises": len(raises), "quiet_s": limits.quiet / 1e9}
    if (deadband := suggested_deadband(condition, state.dip, view)) is not None:
        extra["suggested_deadband"] = deadband
    what = Happening(EventType.ALARM_CHATTERING, condition, at, mint(at), extra=extra)
    return after, [tell(spec, after, view, what)]


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
    spec: AlarmSpec, state: AlarmState, top: Condition, view: Sight, *, looked: bool
) -> EventType | None:
    if not state.level or (state.silent and not view.suppressed):
        return EventType.ALARM_RAISED
    if state.recheck:
        return EventType.ALARM_CHANGED if looked else None
    if top.say.name == state.level:
        return EventType.ALARM_CHANGED if looked and _code_changed(top, state, view) else None
    before = next((c.say.rank for c in spec.conditions if c.say.name == state.level), 0)
    if top.say.rank == before:
        return EventType.ALARM_CHANGED
    return EventType.ALARM_ESCALATED if top.say.rank > before else EventType.ALARM_DEESCALATED


def _code_changed(condition: Condition, state: AlarmState, view: Sight) -> bool:
    """A code moved within the active alarm. Measured values (floats) are no codes: they always move."""
    if not isinstance(condition, State) or isinstance(view.value, float):
        return False
    return view.value != state.code and zone(condition, view.value, 0.0) is Zone.IN


# --- reminders ------------------------------------------------------------------------------------------


def standing(spec: AlarmSpec, state: AlarmState) -> Condition:
    """The condition that the alarm stands on, or stood on; of a calm rule the most severe."""
    named = {condition.say.name: condition for condition in spec.conditions}
    return named.get(state.level) or max(spec.conditions, key=lambda condition: condition.say.rank)


def said(spec: AlarmSpec, state: AlarmState, view: Sight) -> Json:
    """The message of an open alarm, as an event would have it that told of it where it was last told of."""
    kind = EventType.ALARM_RAISED if state.level else EventType.ALARM_RETURNED
    at = max(state.reminded, state.raised_at)
    return tell(spec, state, view, Happening(kind, standing(spec, state), at, "")).data["message"]


def reminder_due(spec: AlarmSpec, state: AlarmState, view: Sight) -> int | None:
    """When an alarm that stands is told of again: until somebody acknowledges it, while it is announced.

    After a start the first good value decides whether it stands; what was due before that is due then.
    """
    if spec.remind_every is None or not (state.level and state.occurrence) or state.acknowledged:
        return None
    decided = state.seen or isinstance(standing(spec, state), Absence)
    if view.suppressed or state.silent or not decided:
        return None
    return max(state.reminded + spec.remind_every, view.now)


def remind(
    spec: AlarmSpec, state: AlarmState, at: int, view: Sight, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """Tell once more of what stands."""
    after = replace(state, reminded=at)
    what = Happening(EventType.ALARM_REMINDER, standing(spec, state), at, mint(at))
    return after, [tell(spec, after, view, what)]
