"""What an alarm rule remembers. Frozen: an untouched rule keeps the very object it had."""

from dataclasses import dataclass

from agent.model import Priority, Value
from agent.rules.machine import CALM, Machine, Phase
from agent.rules.spec import AlarmSpec, Condition, Limit


@dataclass(frozen=True, slots=True)
class AlarmState:
    """All that an alarm rule remembers; instants are monotonic nanoseconds.

    Attributes:
        machines: one for each condition, in the rule's order.
        digest: the rule's digest when this was current.
        seen: a good value was seen since the start; until then nothing is announced.
        level: name of the most severe active condition; empty while normal.
        occurrence: id of the open occurrence; empty while there is none. It is open while the alarm is
            active, and then until it is reset (latch) or acknowledged, where the rule asks for that.
        silent: it stands, and nobody was told that it does: it rose while suppressed.
        announced: priorities at which the open occurrence was announced: its audience; empty: not told.
        repeat: how often it was raised again while open.
        acknowledged: by whom; empty: by nobody.
        reminded: when it was last told of.
        extremes: the least and the greatest value since a limit was crossed first; None: none was.
        code: the discrete value last announced.
        away_since: the agent was away from here until the first good value.
        blind: the interval in which a return happened unseen.
        fault: why the rule cannot be decided; empty while it can.
        recheck: the rule's limits changed under the open occurrence.
        raises: when it was raised, as far as that still counts for chattering.
        chattering: raised too often: a return must last.
        dip: the furthest that the value came back since the first of `raises`.
        trials: how often it would have been raised, had it not been on trial.
    """

    machines: tuple[Machine, ...]
    digest: str
    seen: bool = False
    level: str = ""
    occurrence: str = ""
    onset: int = 0
    raised_at: int = 0
    announced: tuple[Priority, ...] = ()
    repeat: int = 0
    acknowledged: str = ""
    reminded: int = 0
    extremes: tuple[float, float] | None = None
    code: Value | None = None
    away_since: int | None = None
    blind: tuple[int, int] | None = None
    fault: str = ""
    recheck: bool = False
    raises: tuple[int, ...] = ()
    chattering: bool = False
    dip: float | None = None
    trials: int = 0
    silent: bool = False

    @property
    def settled(self) -> bool:
        """Decided by a good value under the rule's present limits."""
        return self.seen and not self.recheck

    @property
    def calm(self) -> bool:
        """Nothing is going on, so a value inside the limits changes nothing."""
        return (
            self.seen
            and not self.fault
            and not self.raises
            and all(machine.phase is Phase.NORMAL for machine in self.machines)
        )

    @property
    def active(self) -> bool | None:
        """The condition stands, announced or not; None: not decided yet."""
        return True if self.level else False if self.seen else None

    def must_last(self, after: "AlarmState") -> bool:
        """The step to `after` must be on disk before it counts: a phase, a count, or what was told moved."""
        told = (self.occurrence, self.level, self.code, self.acknowledged, self.repeat, self.chattering)
        then = (after.occurrence, after.level, after.code, after.acknowledged, after.repeat, after.chattering)
        return told != then or any(
            a.phase is not b.phase or a.hits != b.hits
            for a, b in zip(self.machines, after.machines, strict=True)
        )

    def peak(self, spec: AlarmSpec, condition: Condition) -> float | None:
        """The worst value so far, on the side of the limit that `condition` is, else of one that is crossed."""
        limits = [
            each
            for each, machine in zip(spec.conditions, self.machines, strict=True)
            if isinstance(each, Limit) and (each is condition or machine.phase is not Phase.NORMAL)
        ]
        if self.extremes is None or not limits:
            return None
        least, greatest = self.extremes
        worst = condition if isinstance(condition, Limit) else limits[-1]
        return greatest if worst.side > 0 else least

    @property
    def steady(self) -> bool:
        """No delay is running, so the same value again changes nothing."""
        return (
            self.seen
            and not (self.fault or self.raises or self.recheck)
            and not any(machine.waiting for machine in self.machines)
        )


def fresh_state(spec: AlarmSpec) -> AlarmState:
    """The state of a rule that has seen nothing yet."""
    return AlarmState((CALM,) * len(spec.conditions), spec.digest)
