"""What the kinds of rules have in common: how a state is made up, and what steps it.

Rules for whoever adds a kind: a module with these functions (as `alarm` and `change` are), and a core
state of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from agent.model import Event
from agent.rules.change import ChangeState
from agent.rules.gate import WATCHED, GateState
from agent.rules.measure import Measured
from agent.rules.projection import Mint
from agent.rules.spec import RuleSpec
from agent.rules.state import AlarmState
from agent.rules.view import Sight

Spec_contra = TypeVar("Spec_contra", bound=RuleSpec, contravariant=True)
Core = TypeVar("Core", bound=AlarmState | ChangeState)


@dataclass(frozen=True, slots=True)
class RuleState(Generic[Core]):
    """All that a rule remembers: three regions that do not know each other.

    Attributes:
        core: the alarm's machines, or what was last reported.
        measured: where its measures stand; None: it has none.
        gate: where its gate stands.
    """

    core: Core
    measured: Measured | None = None
    gate: GateState = WATCHED

    def replaced(self, core: Core) -> "RuleState[Core]":
        """The same with another core; the very same if it is this one."""
        return self if core is self.core else RuleState(core, self.measured, self.gate)


class Kind(Protocol[Spec_contra, Core]):
    """What a kind of rule makes of what is seen: the modules `alarm` and `change`."""

    def fresh_state(self, spec: Spec_contra) -> Core:
        """The state of a rule that has seen nothing yet."""
        ...

    def next_due(self, spec: Spec_contra, state: Core, view: Sight) -> int | None:
        """The next instant at which time alone changes something."""
        ...

    def advance(
        self, spec: Spec_contra, state: Core, view: Sight, now: int, mint: Mint
    ) -> tuple[Core, Sequence[Event]]:
        """Time passed up to `now`."""
        ...

    def observe(
        self, spec: Spec_contra, state: Core, view: Sight, now: int, mint: Mint, *, baseline: bool = False
    ) -> tuple[Core, Sequence[Event]]:
        """A good value was seen."""
        ...

    def lose_sight(
        self, spec: Spec_contra, state: Core, view: Sight, at: int, mint: Mint
    ) -> tuple[Core, Sequence[Event]]:
        """There is nothing to compare."""
        ...

    def mark_fault(
        self, spec: Spec_contra, state: Core, view: Sight, now: int, mint: Mint, why: str
    ) -> tuple[Core, Sequence[Event]]:
        """What is there cannot be compared."""
        ...

    def gate_moved(
        self, spec: Spec_contra, state: Core, view: Sight, before: GateState, mint: Mint
    ) -> tuple[Core, Sequence[Event]]:
        """The gate is another one now."""
        ...
