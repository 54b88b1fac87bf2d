"""An alarm rule in time: one machine for each condition, moved by the clock and by what is seen.

Order within a step: time passes first (`advance`), then the sample is looked at (`observe`), so an
extra tick changes nothing. What people are told of it is the projection's (`projection.project`).

Rules for whoever changes it: a state is frozen, and an untouched rule returns the object it was given.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent.model import Event, EventType, Value
from agent.rules.inputs import sooner
from agent.rules.machine import CALM, Machine, Phase, Zone, expire, look, lose, regain
from agent.rules.projection import Mint, project, remind, reminder_due
from agent.rules.spec import Absence, AlarmSpec, Condition, Limit, OnBad, Still
from agent.rules.state import AlarmState
from agent.rules.state import fresh_state as fresh_state  # noqa: PLC0414 - part of what a kind of rule offers
from agent.rules.suppression import gate_moved as gate_moved  # noqa: PLC0414 - as above
from agent.rules.telling import Happening, tell
from agent.rules.view import Sight
from agent.rules.zone import zone

# --- time passes -----------------------------------------------------------------------------


def next_due(spec: AlarmSpec, state: AlarmState, view: Sight) -> int | None:
    """The next instant at which time alone changes something, if no sample comes first."""
    due = sooner(_next_flip(spec, state, view), reminder_due(spec, state, view))
    if not _clears(spec, state):
        return due
    clearable = (
        machine.phase is not Phase.NORMAL
        for condition, machine in zip(spec.conditions, state.machines, strict=True)
        if not isinstance(condition, Absence)
    )
    return sooner(due, view.fresh_until + 1) if any(clearable) else due


def _due(condition: Condition, machine: Machine, view: Sight) -> int | None:
    if not isinstance(condition, Absence):
        running = machine.waiting and machine.blind is None
        return machine.due if running and machine.due <= view.fresh_until else None
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
    spec: AlarmSpec, state: AlarmState, view: Sight, now: int, mint: Mint
) -> tuple[AlarmState, list[Event]]:
    """Let time pass up to `now`; every event is stamped with the instant at which its delay ran out."""
    events: list[Event] = []
    while True:
        flip = _next_flip(spec, state, view)
        due = sooner(flip, reminder_due(spec, state, view))
        if due is None or due > now:
            break
        if due == flip:
            machines = tuple(
                _flip(condition, machine, view, due) if _due(condition, machine, view) == due else machine
                for condition, machine in zip(spec.conditions, state.machines, strict=True)
            )
            state, told = project(spec, state, machines, due, view, mint)
        else:
            state, told = remind(spec, state, due, view, mint)
        events += told
    if now > view.fresh_until and not spec.of_source:
        state, told = lose_sight(spec, state, view, view.fresh_until, mint)
        events += told
    return state, events


def _next_flip(spec: AlarmSpec, state: AlarmState, view: Sight) -> int | None:
    due = None
    for condition, machine in zip(spec.conditions, state.machines, strict=True):
        due = sooner(due, _due(condition, machine, view))
    return due


def _flip(condition: Condition, machine: Machine, view: Sight, at: int) -> Machine:
    if not isinstance(condition, Absence):
        return expire(machine)
    absent = view.absent_since(condition.awaited)
    if absent is not None and absent + condition.within == at:
        return Machine(Phase.ACTIVE, since=machine.since if machine.active else absent)
    return CALM


def lose_sight(
    spec: AlarmSpec, state: AlarmState, view: Sight, at: int, mint: Mint
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
    spec: AlarmSpec,
    state: AlarmState,
    view: Sight,
    now: int,
    mint: Mint,
    *,
    baseline: bool = False,  # noqa: ARG001 - an alarm takes a baseline as any value
) -> tuple[AlarmState, list[Event]]:
    """Look at a good (or uncertain) value, a keep-alive, or a connection that came up, at `now`."""
    try:
        value = view.value
        machines = tuple(
            _observed(spec, condition, machine, state, view, value, now)
            for condition, machine in zip(spec.conditions, state.machines, strict=True)
        )
    except TypeError as error:
        return mark_fault(spec, state, view, now, mint, str(error))
    after = _account(spec, state, machines, value, now)
    return project(
        spec, after, machines, now, view, mint, reason="rule_changed" if state.recheck else "", looked=True
    )


def _observed(
    spec: AlarmSpec,
    condition: Condition,
    machine: Machine,
    state: AlarmState,
    view: Sight,
    value: Value | None,
    now: int,
) -> Machine:
    say = condition.say
    off_delay = say.off_delay
    if state.chattering and spec.chattering is not None:
        off_delay = max(off_delay, spec.chattering.quiet)
    if isinstance(condition, Absence):
        if machine.phase is not Phase.ACTIVE:
            return regain(machine, now, say.wait, off_delay)
        absent = view.absent_since(condition.awaited)
        if absent is not None and absent + condition.within <= now:
            return machine  # it was something else that was seen
        return replace(machine, phase=Phase.CLEARING, due=now + off_delay) if off_delay else CALM
    if isinstance(condition, Still):
        return _still(condition, regain(machine, now, say.wait, 0), value, now)
    where = zone(condition, value, view.limit(condition))
    if state.recheck and state.level:
        # Same occurrence under new limits (design: rules, "Restart and reload"): no delay runs again.
        stays = where is Zone.IN or (where is Zone.BAND and machine.active)
        return replace(machine, phase=Phase.ACTIVE, since=machine.since or state.onset) if stays else CALM
    machine = regain(machine, now, say.wait, off_delay)
    return look(machine, where, now, say, off_delay, initial=not state.seen)


def _still(condition: Still, machine: Machine, value: Value | None, now: int) -> Machine:
    """A flat line: the delay runs all the time, and begins again with every move."""
    if isinstance(value, str) or value is None:
        raise TypeError(f"is {value!r}, and a change is expected of numbers")
    mark = machine.mark if isinstance(machine.mark, int | float) else None
    moved = mark is None or (value - mark if condition.rising else abs(value - mark)) >= condition.by
    if moved or machine.phase is Phase.NORMAL:
        return Machine(Phase.PENDING, now, now + condition.say.wait, mark=value if moved else mark)
    if condition.rising and mark is not None and value < mark:
        return replace(machine, mark=value)  # a counter that was reset has counted nothing by that
    return machine


def _account(
    spec: AlarmSpec, state: AlarmState, machines: Sequence[Machine], value: Value | None, now: int
) -> AlarmState:
    """Remember what this look says beside the machines: peak, chattering, and where the agent was away."""
    blind = state.blind
    if not state.seen and state.away_since is not None and state.occurrence:
        stood = any(machine.phase is Phase.ACTIVE for machine in state.machines)
        blind = (state.away_since, now) if stood else blind
    if blind is not None and any(machine.phase is Phase.ACTIVE for machine in machines):
        blind = None  # it had not returned while the agent was away
    extremes = _extremes(spec, state, machines, value)
    if state.raises:
        state = _chattering(spec, state, machines, value, now)
    recheck = state.recheck and bool(state.level)
    if (
        state.seen
        and not state.fault
        and (blind, extremes, recheck) == (state.blind, state.extremes, state.recheck)
    ):
        return state
    return replace(
        state, seen=True, fault="", away_since=None, blind=blind, extremes=extremes, recheck=recheck
    )


def _chattering(
    spec: AlarmSpec, state: AlarmState, machines: Sequence[Machine], value: Value | None, now: int
) -> AlarmState:
    """Count what comes again while it is held, and forget what was long enough ago."""
    limits = spec.chattering
    raises, dip = state.raises, state.dip
    held = any(
        before.phase is Phase.CLEARING and after.phase is Phase.ACTIVE
        for before, after in zip(state.machines, machines, strict=True)
    )
    if held:
        raises = (*raises, now)[-100:]
    if isinstance(value, int | float):
        side = next((c.side for c in spec.conditions if isinstance(c, Limit)), 0)
        dip = value if dip is None else min(dip, value) if side > 0 else max(dip, value)
    over = limits is None or now - raises[-1] > (limits.quiet if state.chattering else limits.within)
    if over and not any(machine.phase is Phase.CLEARING for machine in machines):
        return replace(state, raises=(), chattering=False, dip=None)
    if raises == state.raises and dip == state.dip:
        return state
    return replace(state, raises=raises, dip=dip)


def _extremes(
    spec: AlarmSpec, state: AlarmState, machines: Sequence[Machine], value: Value | None
) -> tuple[float, float] | None:
    """Both ends, for an alarm may go from one side to the other; the same value twice says nothing new."""
    crossed = any(
        isinstance(condition, Limit) and machine.phase is not Phase.NORMAL
        for condition, machine in zip(spec.conditions, machines, strict=True)
    )
    if not crossed or not isinstance(value, int | float):
        return state.extremes if state.level else None
    if state.extremes is None:
        return value, value
    least, greatest = state.extremes
    return state.extremes if least <= value <= greatest else (min(least, value), max(greatest, value))


def mark_fault(
    spec: AlarmSpec, state: AlarmState, view: Sight, now: int, mint: Mint, why: str
) -> tuple[AlarmState, list[Event]]:
    """The value cannot be compared: the rule is unknown, says so once, and holds what it had."""
    machines = tuple(lose(machine, now) for machine in state.machines)
    if state.fault:
        return (state if machines == state.machines else replace(state, machines=machines)), []
    fault = f"{view.tag or spec.name} {why}: check the tag's type in the sources, or the rule"
    held = replace(state, machines=machines, fault=fault)
    unknown = Happening(EventType.RULE_UNKNOWN, spec.conditions[0], now, mint(now), fault)
    return held, [tell(spec, held, view, unknown)]
