"""An alarm rule: one machine for each condition, and one projection of them that people see.

Order within a step: time passes first (`advance`), then the sample is looked at (`observe`), so
an extra tick changes nothing. The level is the most severe active condition; events tell changes of
the level, never of a machine. Conditions that flip at the same instant make one event. Journal
conditions have no level: each activation is one `event.occurred`.

Rules for whoever changes it: every event is made in `project`; the only other door is
`mark_fault`. A state is frozen: an untouched rule returns the very object it was given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from agent.model import Event, EventType, Priority, Value
from agent.rules.machine import CALM, Machine, Phase, Zone, expire, look, lose, regain
from agent.rules.spec import Absence, AlarmSpec, Condition, Limit, OnBad, State
from agent.rules.telling import Happening, tell
from agent.rules.view import View

Mint: TypeAlias = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class AlarmState:
    """All that an alarm rule remembers; instants are monotonic nanoseconds.

    Attributes:
        machines: one for each condition, in the rule's order.
        digest: the rule's digest when this was current.
        seen: a good value was seen since the start; until then nothing is announced.
        level: name of the announced condition; empty while normal.
        occurrence: id of the `raised` event of the open occurrence; empty while normal.
        announced: priorities at which the open occurrence was announced: its audience.
        peak: most extreme value since the onset, on the side that was exceeded.
        code: the discrete value last announced.
        away_since: the agent was away from here until the first good value.
        blind: the interval in which a return happened unseen.
        fault: why the rule cannot be decided; empty while it can.
        recheck: the rule's limits changed under the open occurrence.
    """

    machines: tuple[Machine, ...]
    digest: str
    seen: bool = False
    level: str = ""
    occurrence: str = ""
    onset: int = 0
    raised_at: int = 0
    announced: tuple[Priority, ...] = ()
    peak: float | None = None
    code: Value | None = None
    away_since: int | None = None
    blind: tuple[int, int] | None = None
    fault: str = ""
    recheck: bool = False

    @property
    def settled(self) -> bool:
        """Decided by a good value under the rule's present limits."""
        return self.seen and not self.recheck

    @property
    def calm(self) -> bool:
        """Nothing is going on, so a value inside the limits changes nothing."""
        return (
            self.seen and not self.fault and all(machine.phase is Phase.NORMAL for machine in self.machines)
        )


def fresh_state(spec: AlarmSpec) -> AlarmState:
    """The state of a rule that has seen nothing yet."""
    return AlarmState((CALM,) * len(spec.conditions), spec.digest)


# --- time passes -----------------------------------------------------------------------------


def next_due(spec: AlarmSpec, state: AlarmState, view: View) -> int | None:
    """The next instant at which time alone changes something, if no sample comes first."""
    dues = [
        due
        for condition, machine in zip(spec.conditions, state.machines, strict=True)
        if (due := _due(condition, machine, view)) is not None
    ]
    if spec.on_bad is OnBad.CLEAR and any(machine.phase is not Phase.NORMAL for machine in state.machines):
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
        machine
        if isinstance(condition, Absence)
        else CALM
        if spec.on_bad is OnBad.CLEAR
        else lose(machine, at)
        for condition, machine in zip(spec.conditions, state.machines, strict=True)
    )
    if machines == state.machines:
        return state, []
    return project(spec, state, machines, at, view, mint, reason="bad_quality")


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


def zone(condition: Limit | State, value: Value | None) -> Zone:
    """Where `value` stands; the deadband never moves the trip point (design: rules, "The limit machine").

    Raises:
        TypeError: a text where a number is compared.
    """
    match condition:
        case Limit(side=side, at=at, deadband=deadband):
            if not isinstance(value, int | float):
                raise TypeError
            if value >= at if side > 0 else value <= at:
                return Zone.IN
            inside = value >= at - deadband if side > 0 else value <= at + deadband
            return Zone.BAND if inside else Zone.OUT
        case State(values=values, negated=negated):
            return Zone.IN if (value in values) != negated else Zone.OUT
        case _:
            assert_never(condition)


def _account(
    spec: AlarmSpec, state: AlarmState, machines: Sequence[Machine], view: View, now: int
) -> AlarmState:
    """Remember what this look says beside the machines: peak, and where the agent was away."""
    blind = state.blind
    if not state.seen and state.away_since is not None and state.occurrence:
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


# --- what people see ---------------------------------------------------------------------------


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
        left = next(condition for condition in spec.conditions if condition.say.name == state.level)
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
