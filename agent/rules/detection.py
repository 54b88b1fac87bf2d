"""How long it may take until a rule has noticed: what is compared with the time that a person has to respond.

Rules for whoever changes this file: the sum is the worst case, counted from the moment at which the
plant changed; what only the device decides (a broker's pace, the time-out of a lost connection) is
not guessed, but said to be missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.model import TagSpec
from agent.rules.phrases import duration
from agent.rules.spec import (
    Absence,
    AlarmSpec,
    Awaited,
    ChangeSpec,
    Condition,
    Deviation,
    Limit,
    Measure,
    Rate,
    RuleSpec,
    Still,
    Take,
    Window,
)


@dataclass(frozen=True, slots=True)
class Detection:
    """The parts of the worst case, nanoseconds; as text with its sum, where that is known.

    Attributes:
        every: between two readings, of the input that is read least often; None: not known.
        measuring: until a window or a slope shows the whole of a change.
        settling: after `when` became true.
        delay: the longest delay of its conditions.
        read: it is found by reading (an absence is found by waiting).
    """

    every: int | None
    measuring: int = 0
    settling: int = 0
    delay: int = 0
    read: bool = True

    @property
    def worst(self) -> int | None:
        """The sum; None if a part of it is not known."""
        waits = self.measuring + self.settling + self.delay
        if not self.read:
            return waits
        return None if self.every is None else self.every + waits

    def __str__(self) -> str:
        """`6 s: read every 1 s + 5 s delay`; without the sum where a part is not known."""
        if not self.read:
            return duration(self.settling + self.delay)
        parts = [f"read every {duration(self.every)}"] if self.every is not None else []
        waits = ((self.measuring, "measuring"), (self.settling, "settling"), (self.delay, "delay"))
        parts += [f"{duration(time)} {what}" for time, what in waits if time]
        if self.worst is not None:
            return f"{duration(self.worst)}: {' + '.join(parts)}"
        return " + ".join([*parts, "the time until its source tells"])


def detection(spec: RuleSpec, tags: Mapping[str, TagSpec]) -> Detection:
    """The worst case of a rule: of its condition that is slowest."""
    every = read_every(spec, tags)
    settling = spec.gate.settle
    match spec:
        case ChangeSpec():
            measuring = max((_measuring(of, 0) for of in spec.measures), default=0)
            return Detection(every, measuring, settling, spec.at_most_every)
        case AlarmSpec():
            found = [_found(condition, spec, every, settling) for condition in spec.conditions]
            return max(found, key=lambda one: one.measuring + one.settling + one.delay)


def read_every(spec: RuleSpec, tags: Mapping[str, TagSpec]) -> int | None:
    """How often its inputs are read: the least often of them, nanoseconds; None if one is not known."""
    paces = [tags[name].every if name in tags else None for name in inputs(spec)]
    known = [pace for pace in paces if pace is not None]
    return max(known) if known and len(known) == len(paces) else None


def inputs(spec: RuleSpec) -> frozenset[str]:
    """The tags that its value and its limits come from; not those of its gate."""
    return frozenset(_inputs(spec))


def _inputs(spec: RuleSpec) -> Iterator[str]:
    if spec.calc is not None:
        yield from spec.calc.tags
    elif isinstance(spec, ChangeSpec) or not spec.of_source:
        yield spec.subject
    yield from (measure.tag for measure in spec.measures if isinstance(measure, Deviation))
    if isinstance(spec, AlarmSpec):
        yield from (of.at for of in spec.conditions if isinstance(of, Limit) and isinstance(of.at, str))


def _found(condition: Condition, spec: AlarmSpec, every: int | None, settling: int) -> Detection:
    if isinstance(condition, Absence):
        waits = condition.awaited is Awaited.SAMPLE
        return Detection(every, settling=settling, delay=condition.within, read=not waits)
    side = condition.side if isinstance(condition, Limit) else 0
    measuring = 0 if isinstance(condition, Still) else sum(_measuring(of, side) for of in spec.measures)
    return Detection(every, measuring, settling, condition.say.wait)


def _measuring(measure: Measure, side: int) -> int:
    """How long it takes until a lasting change shows in full; a greatest value shows a rise at once."""
    match measure:
        case Window(take=Take.MAX) if side > 0:
            return 0
        case Window(take=Take.MIN) if side < 0:
            return 0
        case Window(over=over) | Rate(over=over):
            return over
        case _:
            return 0
