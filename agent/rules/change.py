"""Report by exception: `tag.changed` when a value has moved by more than the deadband.

Small moves add up, because they are measured against the last value REPORTED. What comes sooner
than `at_most_every` waits until then and is judged again; `at_least_every` reports a fresh value
although it did not move, and never a dead sensor's last one (design: rules, sources).
"""

from dataclasses import dataclass, replace
from typing import TypeGuard

from agent.model import Event, EventType, Json, Quality, Value
from agent.rules.gate import GateState
from agent.rules.projection import Mint
from agent.rules.spec import ChangeSpec
from agent.rules.telling import tell_change
from agent.rules.view import Sight


@dataclass(frozen=True, slots=True)
class ChangeState:
    """What was last reported, and when (monotonic nanoseconds).

    Attributes:
        digest: the rule's digest when this was current.
        reported: the last reported value; None: nothing yet, the next value is the baseline.
        reported_at: when that was; moved on by time the agent was away.
        held: a move that came too soon waits for `at_most_every`.
        late: the value is compared across an interval that nobody watched.
        fault: why nothing can be reported; empty while it can.
    """

    digest: str
    reported: Value | None = None
    reported_at: int = 0
    held: bool = False
    late: bool = False

    fault: str = ""

    @property
    def settled(self) -> bool:
        """It has a value to compare with."""
        return self.reported is not None

    @property
    def calm(self) -> bool:
        """A report knows no limits within which nothing is reported."""
        return False

    @property
    def steady(self) -> bool:
        """Nothing is held back, so the same value again changes nothing."""
        return self.reported is not None and not (self.held or self.late or self.fault)

    @property
    def active(self) -> bool | None:
        """There is nothing that stands."""
        return False

    def must_last(self, after: "ChangeState") -> bool:
        """A report, or the baseline it is measured against, must be on disk before it counts."""
        return self.reported_at != after.reported_at or self.reported != after.reported


def fresh_state(spec: ChangeSpec) -> ChangeState:
    """The state of a rule that has seen nothing yet."""
    return ChangeState(spec.digest)


def next_due(spec: ChangeSpec, state: ChangeState, view: Sight) -> int | None:
    """The next instant at which time alone reports something; None while the value is not fresh.

    What would have been due while nobody looked (settling, maintenance) is due now, never in the past.
    """
    if state.reported is None or not view.watched or view.quality is Quality.BAD:
        return None
    dues = []
    if state.held:
        dues.append(state.reported_at + spec.at_most_every)
    if spec.at_least_every is not None:
        dues.append(state.reported_at + spec.at_least_every)
    due = max(min(dues), view.now) if dues else None
    return due if due is not None and due <= view.fresh_until else None


def advance(
    spec: ChangeSpec, state: ChangeState, view: Sight, now: int, mint: Mint
) -> tuple[ChangeState, list[Event]]:
    """Let time pass up to `now`."""
    events: list[Event] = []
    while (due := next_due(spec, state, view)) is not None and due <= now:
        moved = view.value is not None and _moved(spec, state, view.value)
        if moved or _overdue(spec, state, due):
            state, event = _report(spec, state, view, due, mint, moved=moved)
            events.append(event)
        else:
            state = replace(state, held=False)
    return state, events


def observe(
    spec: ChangeSpec, state: ChangeState, view: Sight, now: int, mint: Mint, *, baseline: bool = False
) -> tuple[ChangeState, list[Event]]:
    """Look at a good (or uncertain) value at `now`; a `baseline` is compared only with what is stored."""
    value = view.value
    if value is None or not view.watched:
        return state, []
    if state.fault:
        state = replace(state, fault="")
    if state.reported is None:
        return replace(state, reported=value, reported_at=now), []
    if baseline and not state.late:
        state = replace(state, late=True)
    moved = _moved(spec, state, value)
    if not moved and not _overdue(spec, state, now):
        return (replace(state, held=False, late=False) if state.held or state.late else state), []
    if now < state.reported_at + spec.at_most_every:
        return (state if state.held else replace(state, held=True)), []
    state, event = _report(spec, state, view, now, mint, moved=moved)
    return state, [event]


def lose_sight(
    spec: ChangeSpec,  # noqa: ARG001 - as an alarm's
    state: ChangeState,
    view: Sight,  # noqa: ARG001 - as above
    at: int,  # noqa: ARG001 - as above
    mint: Mint,  # noqa: ARG001 - as above
) -> tuple[ChangeState, list[Event]]:
    """There is nothing to compare: nothing is reported."""
    return state, []


def gate_moved(
    spec: ChangeSpec,  # noqa: ARG001 - as an alarm's
    state: ChangeState,
    view: Sight,  # noqa: ARG001 - as above
    before: GateState,  # noqa: ARG001 - as above
    mint: Mint,  # noqa: ARG001 - as above
) -> tuple[ChangeState, list[Event]]:
    """What moves while nobody looks, or while it is suppressed, is compared afterwards."""
    return state, []


def mark_fault(
    spec: ChangeSpec, state: ChangeState, view: Sight, now: int, mint: Mint, why: str
) -> tuple[ChangeState, list[Event]]:
    """The value makes no sense: the rule says so once, and goes on with the next that does."""
    if state.fault:
        return state, []
    fault = f"{view.tag or spec.name} {why}: check the tag's type in the sources, or the rule"
    event = tell_change(spec, EventType.RULE_UNKNOWN, mint(now), now, view, {"reason": fault})
    return replace(state, fault=fault), [event]


def _overdue(spec: ChangeSpec, state: ChangeState, now: int) -> bool:
    return spec.at_least_every is not None and now >= state.reported_at + spec.at_least_every


def _moved(spec: ChangeSpec, state: ChangeState, value: Value) -> bool:
    before = state.reported
    if _is_number(value) and _is_number(before):
        return abs(value - before) > spec.deadband
    return value != before


def _is_number(value: Value | None) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _report(
    spec: ChangeSpec, state: ChangeState, view: Sight, at: int, mint: Mint, *, moved: bool
) -> tuple[ChangeState, Event]:
    extra: dict[str, Json] = {"deadband": spec.deadband} if spec.deadband else {}
    if state.late:
        extra["late"] = True
    if not moved:
        extra["reason"] = "at_least_every"
    event = tell_change(spec, EventType.TAG_CHANGED, mint(at), at, view, extra)
    return ChangeState(spec.digest, view.value, at), event
