"""An alarm rule in time: one machine for each condition, moved by the clock and by what is seen.

Order within a step: time passes first (`advance`), then the sample is looked at (`observe`), so an
extra tick changes nothing. What people are told of it is the projection's (`projection.project`).

Rules for whoever changes it: a state is frozen, and an untouched rule returns the object it was given.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent.model import Event, EventType, Value
from agent.rules.machine import CALM, Machine, Phase, Zone, expire, look, lose, regain
from agent.rules.projection import Mint, project
from agent.rules.spec import Absence, AlarmSpec, Condition, Limit, OnBad
from agent.rules.state import AlarmState
from agent.rules.telling import Happening, tell
from agent.rules.view import View
from agent.rules.zone import zone

# --- time passes -----------------------------------------------------------------------------


def next_due(spec: AlarmSpec, state: AlarmState, view: View) -> int | None:
    """The next instant at which time alone changes something, if no sample comes first."""
    dues = [
        due
        for condition, machine in zip(spec.conditions, state.machines, strict=True)
        if (due := _due(condition, machine, view)) is not None
    ]
    if _clears(spec, state) and any(machine.phase is not Phase.NORMAL for machine in state.machines):
        dues.append(view.fresh_until + 1)
    return min(dues, default=None)


def _due(condition: Condition, machine: Machine, view: View) -> int | None:
    if not isinstance(condition, Absence):
        reachable = machine.waiting and machine.blind is None and machine.due <= view.fresh_until
        return machine.due if reachable else None
    absent = view.absent_since(condition.awaited)
    missed = None if absent is None else absent + condition.within
    match machine.phase:
        case Phase.ACTIVE:
            return None
        case Phase.CLEARING:
            if machine.blind is not None:
                return missed
            return machine.due if missed is None else min(machine.due, missed)
        case _:
            return missed


def advance(
    spec: AlarmSpec, state: AlarmState, view: View, now: int, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """Let time pass up to `now`; every event is stamped with the instant at which its delay ran out."""
    events: list[Event] = []
    while (due := _next_flip(spec, state, view)) is not None and due <= now:
        machines = tuple(
            _flip(condition, machine, view, due) if _due(condition, machine, view) == due else machine
            for condition, machine in zip(spec.conditions, state.machines, strict=True)
        )
        state, told = project(spec, state, machines, due, view, mint)
        events += told
    if now > view.fresh_until and not spec.of_source:
        state, told = lose_sight(spec, state, view, view.fresh_until, mint)
        events += told
    return state, events


def _next_flip(spec: AlarmSpec, state: AlarmState, view: View) -> int | None:
    dues = (
        _due(condition, machine, view)
        for condition, machine in zip(spec.conditions, state.machines, strict=True)
    )
    return min((due for due in dues if due is not None), default=None)


def _flip(condition: Condition, machine: Machine, view: View, at: int) -> Machine:
    if not isinstance(condition, Absence):
        return expire(machine)
    absent = view.absent_since(condition.awaited)
    if absent is not None and absent + condition.within == at:
        return Machine(Phase.ACTIVE, since=machine.since if machine.active else absent)
    return CALM


def lose_sight(
    spec: AlarmSpec, state: AlarmState, view: View, at: int, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """Observation stopped at `at`: the value went bad or stale."""
    machines = tuple(
        machine if isinstance(condition, Absence) else CALM if _clears(spec, state) else lose(machine, at)
        for condition, machine in zip(spec.conditions, state.machines, strict=True)
    )
    if machines == state.machines:
        return state, []
    return project(spec, state, machines, at, view, mint, reason="bad_quality")


def _clears(spec: AlarmSpec, state: AlarmState) -> bool:
    """Whether losing sight ends the alarm; not before the first good value after a start (see `restart`)."""
    return spec.on_bad is OnBad.CLEAR and state.seen


# --- a sample is looked at ---------------------------------------------------------------------


def observe(
    spec: AlarmSpec, state: AlarmState, view: View, now: int, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """Look at a good (or uncertain) value, a keep-alive, or a connection that came up, at `now`."""
    try:
        machines = tuple(
            _observed(condition, machine, state, view, now)
            for condition, machine in zip(spec.conditions, state.machines, strict=True)
        )
    except TypeError:
        return mark_fault(spec, state, view, now, mint)
    after = _account(spec, state, machines, view, now)
    return project(
        spec, after, machines, now, view, mint, reason="rule_changed" if state.recheck else "", looked=True
    )


def _observed(condition: Condition, machine: Machine, state: AlarmState, view: View, now: int) -> Machine:
    say = condition.say
    if isinstance(condition, Absence):
        if machine.phase is not Phase.ACTIVE:
            return regain(machine, now, say.on_delay, say.off_delay)
        return replace(machine, phase=Phase.CLEARING, due=now + say.off_delay) if say.off_delay else CALM
    where = zone(condition, view.value)
    if state.recheck and state.occurrence:
        # Same occurrence under new limits (design: rules, "Restart and reload"): no delay runs again.
        stays = where is Zone.IN or (where is Zone.BAND and machine.active)
        return replace(machine, phase=Phase.ACTIVE, since=machine.since or state.onset) if stays else CALM
    machine = regain(machine, now, say.on_delay, say.off_delay)
    return look(machine, where, now, say.on_delay, say.off_delay, initial=not state.seen)


def _account(
    spec: AlarmSpec, state: AlarmState, machines: Sequence[Machine], view: View, now: int
) -> AlarmState:
    """Remember what this look says beside the machines: peak, and where the agent was away."""
    blind = state.blind
    stood = any(machine.phase is Phase.ACTIVE for machine in state.machines)
    if not state.seen and state.away_since is not None and state.occurrence and stood:
        blind = (state.away_since, now)
    if blind is not None and any(machine.phase is Phase.ACTIVE for machine in machines):
        blind = None  # it had not returned while the agent was away
    peak = _peak(spec, state, machines, view.value)
    if state.seen and not state.fault and blind == state.blind and peak == state.peak:
        return state
    return replace(state, seen=True, fault="", away_since=None, blind=blind, peak=peak)


def _peak(
    spec: AlarmSpec, state: AlarmState, machines: Sequence[Machine], value: Value | None
) -> float | None:
    sides = [
        condition.side
        for condition, machine in zip(spec.conditions, machines, strict=True)
        if isinstance(condition, Limit) and machine.phase is not Phase.NORMAL
    ]
    if not sides or not isinstance(value, int | float):
        return state.peak if state.occurrence else None
    if state.peak is None:
        return value
    return max(state.peak, value) if sides[-1] > 0 else min(state.peak, value)


def mark_fault(
    spec: AlarmSpec, state: AlarmState, view: View, now: int, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """The value cannot be compared: the rule is unknown, says so once, and holds what it had."""
    machines = tuple(lose(machine, now) for machine in state.machines)
    if state.fault:
        return (state if machines == state.machines else replace(state, machines=machines)), []
    fault = f"{view.tag} is {view.value!r}, and {spec.name} compares numbers: check the tag's type in sources.yaml"
    held = replace(state, machines=machines, fault=fault)
    unknown = Happening(EventType.RULE_UNKNOWN, spec.conditions[0], now, mint(now), fault)
    return held, [tell(spec, held, view, unknown)]
