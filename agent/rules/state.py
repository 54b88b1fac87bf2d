"""What an alarm rule remembers. Frozen: an untouched rule keeps the very object it had."""

from dataclasses import dataclass

from agent.model import Priority, Value
from agent.rules.machine import CALM, Machine, Phase
from agent.rules.spec import AlarmSpec


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
