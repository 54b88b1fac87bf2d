"""One rule at work: its specification, what it looks at, and its present state.

`AlarmRun` and `ChangeRun` answer the same five questions, so the engine need not know which it has.
"""

from collections.abc import Sequence
from typing import TypeAlias

from agent.model import Event, Value
from agent.rules import alarm, change
from agent.rules.change import ChangeState
from agent.rules.inputs import FOREVER
from agent.rules.projection import Mint
from agent.rules.spec import Absence, AlarmSpec, Awaited, ChangeSpec, Limit, RuleSpec
from agent.rules.state import AlarmState, fresh_state
from agent.rules.view import View

RuleState: TypeAlias = AlarmState | ChangeState


class AlarmRun:
    """A rule that raises and returns."""

    __slots__ = ("_above", "_below", "_calm", "awaits_sample", "index", "queued", "spec", "state", "view")

    def __init__(self, spec: AlarmSpec, view: View, index: int) -> None:
        self.spec = spec
        self.view = view
        self.index = index
        self.queued = FOREVER
        absences = [c for c in spec.conditions if isinstance(c, Absence)]
        limits = [c for c in spec.conditions if isinstance(c, Limit)]
        plain = len(absences) + len(limits) == len(spec.conditions)
        self.awaits_sample = any(c.awaited is Awaited.SAMPLE for c in absences)
        self._above = (
            max((c.at for c in limits if c.side < 0), default=float("-inf")) if plain else float("inf")
        )
        self._below = min((c.at for c in limits if c.side > 0), default=float("inf"))
        self.become(fresh_state(spec))

    def become(self, state: AlarmState) -> None:
        """Take `state`."""
        self.state = state
        self._calm = state.calm

    def unmoved_by(self, value: Value | None) -> bool:
        """A number between all limits, while nothing is going on, changes nothing: the common case."""
        return self._calm and isinstance(value, int | float) and self._above < value < self._below

    def due(self) -> int | None:
        """The next instant at which time alone changes this rule."""
        return alarm.next_due(self.spec, self.state, self.view)

    def advance(self, now: int, mint: Mint) -> tuple[AlarmState, Sequence[Event]]:
        """Time passed up to `now`."""
        return alarm.advance(self.spec, self.state, self.view, now, mint)

    def observe(self, now: int, mint: Mint, *, baseline: bool) -> tuple[AlarmState, Sequence[Event]]:  # noqa: ARG002 - an alarm takes a baseline as any value
        """A good value was seen."""
        return alarm.observe(self.spec, self.state, self.view, now, mint)

    def lose_sight(self, now: int, mint: Mint) -> tuple[AlarmState, Sequence[Event]]:
        """The value went bad."""
        return alarm.lose_sight(self.spec, self.state, self.view, now, mint)

    def must_last(self, after: AlarmState) -> bool:
        """The step to `after` must be on disk before it counts: a phase or an announcement moved.

        Running times, peaks and pauses may be as old as the last checkpoint (design: rules, "Restart").
        """
        before = self.state
        return (
            before.occurrence != after.occurrence
            or before.level != after.level
            or before.code != after.code
            or any(a.phase is not b.phase for a, b in zip(before.machines, after.machines, strict=True))
        )


class ChangeRun:
    """A rule that reports by exception."""

    __slots__ = ("index", "queued", "spec", "state", "view")

    awaits_sample = False

    def __init__(self, spec: ChangeSpec, view: View, index: int) -> None:
        self.spec = spec
        self.view = view
        self.index = index
        self.queued = FOREVER
        self.state = ChangeState(spec.digest)

    def become(self, state: ChangeState) -> None:
        """Take `state`."""
        self.state = state

    def unmoved_by(self, value: Value | None) -> bool:
        """The very value that was reported last, with nothing held back."""
        state = self.state
        return (
            value == state.reported and not state.held and not state.late and self.spec.at_least_every is None
        )

    def due(self) -> int | None:
        """The next instant at which time alone reports something."""
        return change.next_due(self.spec, self.state, self.view)

    def advance(self, now: int, mint: Mint) -> tuple[ChangeState, Sequence[Event]]:
        """Time passed up to `now`."""
        return change.advance(self.spec, self.state, self.view, now, mint)

    def observe(self, now: int, mint: Mint, *, baseline: bool) -> tuple[ChangeState, Sequence[Event]]:
        """A good value was seen."""
        return change.observe(self.spec, self.state, self.view, now, mint, baseline=baseline)

    def lose_sight(self, now: int, mint: Mint) -> tuple[ChangeState, Sequence[Event]]:  # noqa: ARG002 - nothing to report
        """The value went bad: nothing is reported."""
        return self.state, ()

    def must_last(self, after: ChangeState) -> bool:
        """A report, or the baseline it is measured against, must be on disk before it counts."""
        return self.state.reported_at != after.reported_at or self.state.reported != after.reported


Run: TypeAlias = AlarmRun | ChangeRun


def start_run(spec: RuleSpec, view: View, index: int) -> Run:
    """The rule at work, having seen nothing yet."""
    return AlarmRun(spec, view, index) if isinstance(spec, AlarmSpec) else ChangeRun(spec, view, index)
