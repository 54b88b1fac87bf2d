"""What the gate does to an alarm: it is reset where it makes no sense, and silent where it is redundant.

from          to             told
watched       disabled       returned, reason `disabled`, if it had been raised
announced     suppressed     suppressed, if it had been raised (a shelf tells that itself)
suppressed    announced      raised, or unsuppressed if it had been raised; unshelved in any case
"""

from dataclasses import replace
from typing import Final

from agent.model import Event, EventType, Json
from agent.rules.gate import OUT_OF_SERVICE, SHELVED, TRIAL, GateState
from agent.rules.machine import CALM
from agent.rules.projection import Mint, project, standing
from agent.rules.spec import Absence, AlarmSpec
from agent.rules.state import AlarmState
from agent.rules.telling import Happening, tell
from agent.rules.view import Sight

_BY_HAND: Final = {SHELVED, OUT_OF_SERVICE}


def gate_moved(
    spec: AlarmSpec, state: AlarmState, view: Sight, before: GateState, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """The gate is `view.gate` now, and was `before`."""
    gate, now, events = view.gate, view.now, list[Event]()
    if not gate.waits and gate.enabled is not None and not gate.open(now):
        state, told = disable(spec, state, view, now, mint)
        events += told
    if TRIAL in before.reasons and TRIAL not in gate.reasons:
        state, told = _end_trial(spec, state, view, now, mint)
        events += told
    unshelved = before.shelf is not None and gate.shelf is None
    if unshelved:
        events.append(told_by_hand(EventType.ALARM_UNSHELVED, spec, state, view, mint, reason="expired"))
    state, told = reasons_moved(spec, state, view, before, mint, told=unshelved)
    return state, [*events, *told]


def reasons_moved(
    spec: AlarmSpec, state: AlarmState, view: Sight, before: GateState, mint: Mint, *, told: bool
) -> tuple[AlarmState, list[Event]]:
    """Announced or not is another matter than it was; `told`: an event has said so already."""
    now = view.now
    if view.suppressed and not before.reasons:
        known = state.level and not state.silent and not told and not _BY_HAND & set(view.suppressed)
        if not known:
            return state, []
        what = Happening(
            EventType.ALARM_SUPPRESSED, standing(spec, state), now, mint(now), view.suppressed[0]
        )
        return state, [tell(spec, state, view, what)]
    if before.reasons and not view.suppressed and state.level:
        return _announced_again(spec, state, view, mint, told=told)
    return state, []


def _announced_again(
    spec: AlarmSpec, state: AlarmState, view: Sight, mint: Mint, *, told: bool
) -> tuple[AlarmState, list[Event]]:
    now, condition = view.now, standing(spec, state)
    if state.silent:
        if not (state.seen or isinstance(condition, Absence)):
            return state, []  # after a start the first good value decides
        return project(spec, state, state.machines, now, view, mint)
    priority = condition.say.priority
    announced = state.announced if priority in state.announced else (*state.announced, priority)
    after = replace(state, announced=announced, reminded=now)
    if told:
        return after, []
    return after, [
        tell(spec, after, view, Happening(EventType.ALARM_UNSUPPRESSED, condition, now, mint(now)))
    ]


def disable(
    spec: AlarmSpec, state: AlarmState, view: Sight, at: int, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """The condition makes no sense any more (`when`, active hours): every machine is reset."""
    calm = (CALM,) * len(spec.conditions)
    if state.machines == calm:
        return state, []
    return project(spec, state, calm, at, view, mint, reason="disabled")


def _end_trial(
    spec: AlarmSpec, state: AlarmState, view: Sight, now: int, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """The rule is in earnest now; how often it would have been raised tells whether it should be."""
    extra: dict[str, Json] = {"raises": state.trials, "state": "ended"}
    what = Happening(EventType.RULE_TRIAL, standing(spec, state), now, mint(now), extra=extra)
    return replace(state, trials=0), [tell(spec, state, view, what)]


def told_by_hand(
    kind: EventType,
    spec: AlarmSpec,
    state: AlarmState,
    view: Sight,
    mint: Mint,
    *,
    reason: str = "",
    extra: dict[str, Json] | None = None,
) -> Event:
    """An event of what a person did, or of what became of it."""
    now = view.now
    return tell(
        spec, state, view, Happening(kind, standing(spec, state), now, mint(now), reason, extra=extra or {})
    )
