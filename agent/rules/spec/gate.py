"""What stands around a condition: when it makes sense, when it is redundant, when it comes too often."""

from dataclasses import dataclass
from typing import Final

from agent.rules.expression import Expression
from agent.rules.hours import Hours, Span


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A span in which the rule's alarms are expected."""

    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class Gate:
    """When a rule is watched, and when it is watched but not announced.

    Attributes:
        when: false: the condition makes no sense, the machine is reset; unknown: holds what was.
        settle: nanoseconds after `when` became true before the value is looked at.
        suppress_while: true: real but redundant; it goes on being computed.
        hours: outside of them as `when` false.
        maintenance: within one as `suppress_while` true.
        trial_until: nanoseconds UTC; before that nothing is sent.
    """

    when: Expression | None = None
    settle: int = 0
    suppress_while: Expression | None = None
    hours: Hours | None = None
    maintenance: tuple[Maintenance, ...] = ()
    trial_until: int | None = None


OPEN: Final = Gate()
"""Of a rule that is always watched and always announced."""


@dataclass(frozen=True, slots=True)
class Chattering:
    """`raises` within `within` are too many; then a return must last `quiet` nanoseconds."""

    raises: int
    within: int
    quiet: int
