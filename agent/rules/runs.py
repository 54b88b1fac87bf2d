"""One rule at work: its specification, its eyes, and its present state.

A look goes the same way for every kind of rule: the gate is judged, the measures take the value, and
what comes out is looked at by the core (`alarm` or `change`), or is lost sight of.

Rules for whoever changes it: nothing is remembered but `state`, which is replaced whole; a step that
changes nothing returns the very state it found.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeAlias, TypeGuard, TypeVar

from agent.model import SECOND, Event, Quality, Value
from agent.rules import alarm, change, measure
from agent.rules.board import Board, Calculation, Subject
from agent.rules.change import ChangeState
from agent.rules.dependencies import compared, expressions_of, inputs_of, quiet_between
from agent.rules.gate import WATCHED, GateState, judge, next_second
from agent.rules.inputs import FOREVER, sooner
from agent.rules.kind import Core, Kind, RuleState
from agent.rules.measure import Measured
from agent.rules.projection import Mint
from agent.rules.spec import OPEN, Absence, AlarmSpec, Awaited, ChangeSpec, RuleSpec
from agent.rules.state import AlarmState
from agent.rules.view import Sight

Spec = TypeVar("Spec", bound=RuleSpec)
_NOTHING: Final = object()  # no value equals it
_SHOWN_EVERY: Final = 5 * SECOND
"""How old a measured number may be that nothing depends on but who reads it."""
_ROUNDING: Final = 1e-9


class BaseRun(Generic[Spec, Core]):
    """One rule at work.

    Attributes:
        spec: the rule.
        state: where it stands.
        sight: what it sees.
        index: its place in the order in which rules are decided.
        queued: the instant for which it is in the timers' heap.
        dependents: rules that ask whether this one is active.
        awaits_sample: a keep-alive is news for it.
        joint: it looks at more than its subject.
        gated: it has a gate.
    """

    def __init__(self, spec: Spec, kind: Kind[Spec, Core], board: Board, index: int) -> None:
        self.spec = spec
        self.index = index
        self.queued = FOREVER
        self.dependents: list[Run] = []
        conditions = spec.conditions if isinstance(spec, AlarmSpec) else ()
        self.awaits_sample = any(isinstance(c, Absence) and c.awaited is Awaited.SAMPLE for c in conditions)
        self.joint = bool(self.asks) or not inputs_of(spec) <= {spec.subject}
        others = tuple(board.tags[name] for name in sorted(compared(spec)))
        self.sight = Sight(spec, _subject(spec, board), others, board)
        self._kind = kind
        self._board = board
        self._ages = spec.calc is not None and bool(spec.calc.ages)
        self.gated = spec.gate != OPEN
        self._paced = isinstance(spec, ChangeSpec) and spec.at_least_every is not None
        self._above, self._below = quiet_between(spec)
        measured = measure.begin(spec.measures) if spec.measures else None
        gate = GateState(due=board.now) if self.gated else WATCHED
        self.become(RuleState(kind.fresh_state(spec), measured, gate))

    def become(self, state: RuleState[Core]) -> None:
        """Take `state`."""
        self.state = state
        self._show(state)
        self._calm = state.core.calm and not self.joint and state.measured is None
        self._same: object = _NOTHING

    def _show(self, state: RuleState[Core]) -> None:
        self.sight.measured, self.sight.gate = state.measured, state.gate

    @contextmanager
    def showing(self, state: RuleState[Core]) -> Iterator[None]:
        """The sight shows `state`, which is not taken yet."""
        self._show(state)
        try:
            yield
        finally:
            self._show(self.state)

    def judged(self, gate: GateState) -> GateState:
        """`gate`, which a person has just set, as it is now."""
        judged, _ = judge(self.spec.gate, gate, self._board)
        return WATCHED if judged == WATCHED else judged

    def unmoved_by(self, value: Value | None) -> bool:
        """`value` changes nothing, which is the common case.

        Either it is a number between all limits while nothing is going on, or it is the value that
        was looked at last, changed nothing then, and no time is running.
        """
        if self._calm and isinstance(value, int | float) and self._above < value < self._below:
            return True
        return self._same is not _NOTHING and value == self._same

    @property
    def asks(self) -> frozenset[str]:
        """The rules that it asks for."""
        return frozenset().union(*(each.rules for each in expressions_of(self.spec)))

    @property
    def scheduled(self) -> bool:
        """What the wall clock says matters to it."""
        gate = self.spec.gate
        return gate.hours is not None or bool(gate.maintenance) or gate.trial_until is not None

    def fresh(self, now: int) -> bool:
        """There is a value to look at, which still holds."""
        return self.sight.subject_quality is not Quality.BAD and self.sight.fresh_until >= now

    @property
    def active(self) -> bool | None:
        """The condition stands, announced or not; None: not decided yet."""
        return False if self.state.gate.enabled is False else self.state.core.active

    def evident(self, at: int) -> bool:
        """Whether all that decides about it can be relied on, at an instant until which nothing need be read.

        That something is absent needs no value to be seen.
        """
        core, spec = self.state.core, self.spec
        if isinstance(core, AlarmState) and core.fault:
            return False
        if isinstance(spec, AlarmSpec) and all(isinstance(each, Absence) for each in spec.conditions):
            return True
        return self.sight.quality is Quality.GOOD and self.sight.fresh_until >= at

    def must_last(self, after: RuleState[Core]) -> bool:
        """The step to `after` must be on disk before it counts (design: rules, "Restart").

        Running times, peaks and pauses may be as old as the last checkpoint.
        """
        before = self.state
        touched = (before.gate.shelf, before.gate.service) != (after.gate.shelf, after.gate.service)
        if touched or before.core.must_last(after.core):  # type: ignore[arg-type]  # both are of the rule's kind
            return True
        if before.measured is None or after.measured is None:
            return False
        return measure.must_last(before.measured, after.measured)

    # --- when ---------------------------------------------------------------------------------------------

    def due(self) -> int | None:
        """The next instant at which time alone changes this rule."""
        return sooner(self._kind.next_due(self.spec, self.state.core, self.sight), self._look_due())

    def wants_look(self, now: int) -> bool:
        """It must be looked at by now, although nothing was read."""
        due = self._look_due()
        return (due is not None and due <= now) or (self._ages and now % SECOND == 0)

    def _look_due(self) -> int | None:
        due, measured = self.state.gate.due, self.state.measured
        if measured is not None:
            moves = measure.next_due(self.spec.measures, measured)
            if moves is not None and moves < measured.at + _SHOWN_EVERY and self._stays(measured):
                moves = measured.at + _SHOWN_EVERY
            if moves is not None and moves <= self.sight.fresh_until:
                due = sooner(due, moves)
        return sooner(due, next_second(self._board.now)) if self._ages else due

    def _stays(self, measured: Measured) -> bool:
        """Time alone does not take what is measured to a limit, and nothing is going on."""
        if self.joint or not self.state.core.calm:
            return False
        reach = measure.within(self.spec.measures, measured)
        if reach is None:
            return False
        rounding = _ROUNDING * max(abs(reach[0]), abs(reach[1]))
        return self._above < reach[0] - rounding and reach[1] + rounding < self._below

    # --- the two steps --------------------------------------------------------------------------------------

    def pass_time(self, now: int, mint: Mint) -> tuple[RuleState[Core], Sequence[Event]]:
        """Time passed up to `now`, and the board shows what it showed."""
        core, events = self._kind.advance(self.spec, self.state.core, self.sight, now, mint)
        state = self.state.replaced(core)
        lost = self.sight.fresh_until
        if state.measured is not None and now > lost:
            state = self._with(state, measure.lose(self.spec.measures, state.measured, lost))
            self._show(self.state)
        return state, events

    def look(
        self, now: int, mint: Mint, *, baseline: bool = False
    ) -> tuple[RuleState[Core], Sequence[Event]]:
        """Look at what the board shows at `now`."""
        state, events, fault = self.state, list[Event](), ""
        if self.gated or state.gate is not WATCHED:
            state, told, fault = self._judged(state, mint)
            events += told
        try:
            state = self._measured(state, now)
            if state.gate.open(now) and not fault:
                core, told = self._looked(state.core, now, mint, baseline=baseline)
                state = state.replaced(core)
                events += told
        except TypeError as error:
            fault = str(error)
            if state.measured is not None:  # or it would be due for ever
                state = self._with(state, measure.lose(self.spec.measures, state.measured, now))
        if fault:
            core, told = self._kind.mark_fault(self.spec, state.core, self.sight, now, mint, fault)
            state = state.replaced(core)
            events += told
        self._show(self.state)
        return state, events

    def _judged(self, state: RuleState[Core], mint: Mint) -> tuple[RuleState[Core], Sequence[Event], str]:
        """The gate as it is now, what that does to the rule, and why it makes no sense."""
        gate, fault = judge(self.spec.gate, state.gate, self._board)
        if gate is state.gate:
            return state, (), fault
        after = RuleState(state.core, state.measured, gate)
        self._show(after)
        core, events = self._kind.gate_moved(self.spec, state.core, self.sight, state.gate, mint)
        return after.replaced(core), events, fault

    def _measured(self, state: RuleState[Core], now: int) -> RuleState[Core]:
        """What the measures make of the value.

        Raises:
            TypeError: it is no number.
        """
        if state.measured is None:
            return state
        measures, value = self.spec.measures, self.sight.subject.value
        if value is None or self._lost(now):
            return self._with(state, measure.lose(measures, state.measured, min(now, self.sight.fresh_until)))
        if isinstance(value, str):
            raise TypeError(f"is {value!r}, and only numbers can be measured")
        return self._with(state, measure.see(measures, state.measured, value, now, self._number))

    def _with(self, state: RuleState[Core], measured: Measured) -> RuleState[Core]:
        if measured is state.measured:
            return state
        after = RuleState(state.core, measured, state.gate)
        self._show(after)
        return after

    def _number(self, tag: str) -> float | None:
        value = self._board.value(tag)
        return None if isinstance(value, str) or value is None else float(value)

    def _lost(self, now: int) -> bool:
        """What it compares cannot be believed now."""
        return self.sight.subject_quality is Quality.BAD or now > self.sight.fresh_until

    def _looked(self, core: Core, now: int, mint: Mint, *, baseline: bool) -> tuple[Core, Sequence[Event]]:
        if self._lost(now) or self.sight.quality is Quality.BAD:
            return self._kind.lose_sight(self.spec, core, self.sight, now, mint)
        after, events = self._kind.observe(self.spec, core, self.sight, now, mint, baseline=baseline)
        if (
            after is self.state.core
            and after.steady
            and not (self.joint or self.spec.measures or self._paced)
        ):
            self._same = self.sight.value
        return after, events


AlarmRun: TypeAlias = BaseRun[AlarmSpec, AlarmState]
ChangeRun: TypeAlias = BaseRun[ChangeSpec, ChangeState]
Run: TypeAlias = AlarmRun | ChangeRun
AnyState: TypeAlias = RuleState[AlarmState] | RuleState[ChangeState]


def is_alarm(run: Run) -> TypeGuard[AlarmRun]:
    """The rule raises and returns."""
    return isinstance(run.spec, AlarmSpec)


def start_run(spec: RuleSpec, board: Board, index: int) -> Run:
    """The rule at work, having seen nothing yet."""
    if isinstance(spec, AlarmSpec):
        return BaseRun(spec, alarm, board, index)
    return BaseRun(spec, change, board, index)


def _subject(spec: RuleSpec, board: Board) -> Subject:
    if spec.calc is not None:
        return Calculation(spec.calc, board, spec.stale_after)
    if isinstance(spec, AlarmSpec) and spec.of_source:
        return board.sources[spec.subject]
    return board.tags[spec.subject]
