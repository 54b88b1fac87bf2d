"""Why a rule did or did not raise: what its machine saw in an interval, and how far it was from raising.

    recorded samples -> replay (the very engine) -> Trace -> episodes, stretches -> Why, in plain words

Rules for whoever changes it: nothing is guessed. What the engine did is read off its states; what was really
sent is compared, and every difference is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.config.model import Configuration
from agent.model import SECOND, Event, EventType
from agent.proving.explaining import Teller
from agent.proving.replay import Look, Step, Trace, lead_of, needed, replay
from agent.proving.stretches import blind, chattering, episodes, gated
from agent.rules.machine import Phase
from agent.rules.spec import AlarmSpec, Condition, Limit, Still
from agent.store.samples import Recorded

_SAME: Final = SECOND  # what was sent may bear another stamp where a disk or a clock made it wait
_MOST: Final = 12
_TIMES: Final = 5
_NEAREST: Final = 3


class Finding(NamedTuple):
    """One thing that explains something, and when that was (UTC nanoseconds)."""

    at: int
    text: str


class Sent(NamedTuple):
    """An event that the agent really made: its type, when, its id, and the digest of the rule then."""

    type: str
    at: int
    id: str
    digest: str


class Move(NamedTuple):
    """A condition changed its phase; `value` is what was compared, as text."""

    at: int
    condition: str
    before: str
    after: str
    value: str


@dataclass(frozen=True, slots=True)
class Why:
    """The answer.

    Attributes:
        rule: the instance.
        begin, end: the interval, UTC nanoseconds.
        answer: one sentence: did it raise, or not?
        findings: what explains that, in order of time.
        moves: the changes of phase in the interval, or the last ones before it.
        told: what the rule, as it is configured now, makes of the samples.
        differences: between that and what was really sent, a sentence each.
    """

    rule: str
    begin: int
    end: int
    answer: str
    findings: tuple[Finding, ...]
    moves: tuple[Move, ...]
    told: tuple[Event, ...]
    differences: tuple[str, ...]


def begin_of_lead(configuration: Configuration, name: str, begin: int) -> int:
    """From when on samples are needed to tell what the rule did at `begin`."""
    return begin - lead_of(needed(configuration, name))


def explain(
    configuration: Configuration,
    name: str,
    sessions: Sequence[Recorded],
    interval: tuple[int, int],
    sent: Sequence[Sent] | None,
) -> Why:
    """Say what the rule `name` did in an interval, and why.

    Args:
        configuration: the rules as they are now.
        name: of the instance.
        sessions: what was recorded, from the lead on; at least one.
        interval: from, to; UTC nanoseconds.
        sent: what the agent made of the rule in the interval; None: not known.
    """
    trace = replay(configuration, name, sessions)
    return _Answer(configuration, trace, interval, sent).why()


class _Answer:
    def __init__(
        self,
        configuration: Configuration,
        trace: Trace,
        interval: tuple[int, int],
        sent: Sequence[Sent] | None,
    ) -> None:
        self._trace, self._sent = trace, sent
        self._spec = trace.spec
        self._begin, self._end = interval
        tag = configuration.tags.get(self._spec.subject)
        self._teller = Teller(self._spec, tag, configuration.agent.zone, self._end)
        self._told = tuple(event for event in trace.told if self._begin <= event.at <= self._end)

    def why(self) -> Why:
        differences, unexplained = self._differences()
        findings = sorted({*self._findings()})
        if (left := len(findings) - _MOST) > 0:
            text = f"{left} earlier ones are left out: ask for a shorter interval"
            findings = [Finding(self._begin, text), *findings[left:]]
        findings = sorted({*self._unknown(), *unexplained, *findings})
        return Why(
            self._spec.name,
            self._begin,
            self._end,
            self._headline(),
            tuple(findings),
            tuple(self._moves()),
            self._told,
            tuple(differences),
        )

    # --- the answer -------------------------------------------------------------------------------

    def _headline(self) -> str:
        show, name = self._teller.time, self._spec.name
        spell = f"between {show(self._begin)} and {show(self._end)}"
        if not isinstance(self._spec, AlarmSpec):
            return f"{name} {f'made {len(self._told)} reports' if self._told else 'did not report'} {spell}"
        kinds = (EventType.ALARM_RAISED, EventType.EVENT_OCCURRED)
        raised = [event.at for event in self._told if event.type in kinds]
        if raised:
            more = f" and {len(raised) - _TIMES} times more" if len(raised) > _TIMES else ""
            times = ", ".join(map(show, raised[:_TIMES])) + more
            return f"{name} raised at {times}"
        if self._active(self._begin):
            onset = [event.at for event in self._trace.told if event.type in kinds and event.at < self._begin]
            since = f", raised at {show(onset[-1])}" if onset else ""
            return f"{name} did not raise {spell}: it was active already{since}"
        return f"{name} did not raise {spell}"

    def _active(self, at: int) -> bool:
        steps = [step for step in self._trace.steps if step.at <= at]
        return bool(steps) and any(machine.active for machine in steps[-1].machines)

    # --- what explains it -------------------------------------------------------------------------

    def _findings(self) -> Iterator[Finding]:
        teller = self._teller
        for stretch in [*gated(self._trace), *chattering(self._trace), *blind(self._trace)]:
            if self._within(stretch.begin, stretch.end):
                yield Finding(stretch.begin, teller.stretch(stretch))
        for step in self._trace.steps:
            if step.fault and self._within(step.at, step.at):
                yield Finding(step.at, f"{teller.time(step.at)}: it could not be decided: {step.fault}")
        if isinstance(self._spec, AlarmSpec):
            for index, condition in enumerate(self._spec.conditions):
                yield from self._condition(index, condition)
        else:
            for event in self._told:
                yield Finding(event.at, f"{teller.time(event.at)}: {event.data['message']}")

    def _unknown(self) -> Iterator[Finding]:
        """Of what there are no samples."""
        teller, begin, end = self._teller, self._trace.begin, self._trace.end
        if begin > self._begin:
            yield Finding(begin, f"samples are kept from {teller.time(begin)} on only")
        if end < self._end - _SAME:
            yield Finding(end, f"samples are kept up to {teller.time(end)} only")
        for since, until in self._trace.away:
            if self._within(since, until):
                text = "no samples: the agent did not run, or they were lost"
                yield Finding(since, f"{teller.span(since, until)}: {text}")

    def _condition(self, index: int, condition: Condition) -> Iterator[Finding]:
        came = [each for each in episodes(self._trace, index) if self._within(each.begin, each.end)]
        raised = [each for each in came if each.raised_at is not None]
        others = sorted(
            (each for each in came if each.raised_at is None), key=lambda each: each.due - each.seen_until
        )
        told = others[: 1 if isinstance(condition, Still) else _NEAREST]
        for each in [*raised, *told]:
            gate = self._step(each.raised_at or each.end).gate
            yield Finding(each.begin, self._teller.episode(condition, each, gate.reasons))
        if left := len(others) - len(told):
            times = f"{left} more time{'' if left == 1 else 's'}"
            yield Finding(self._end, f"{condition.say.name}: it came {times}, each further from its delay")
        if not came:
            yield Finding(self._end, self._teller.margin(condition, self._nearest(condition)))

    def _nearest(self, condition: Condition) -> Look | None:
        """What came nearest to a limit; of other conditions, the last that was seen."""
        looks = [
            look
            for look, after in zip(self._trace.looks, [*self._trace.looks[1:], None], strict=True)
            if look.value is not None and look.at <= self._end and (after is None or after.at > self._begin)
        ]
        if not looks:
            return None
        if not isinstance(condition, Limit):
            return looks[-1]
        numbers = [look for look in looks if isinstance(look.value, int | float)]
        return max(numbers, key=lambda look: condition.side * float(look.value or 0), default=None)

    def _within(self, begin: int, end: int | None) -> bool:
        return begin <= self._end and (end is None or end >= self._begin)

    def _step(self, at: int | None) -> Step:
        steps = self._trace.steps
        return next((step for step in reversed(steps) if at is None or step.at <= at), steps[0])

    # --- the table --------------------------------------------------------------------------------

    def _moves(self) -> list[Move]:
        names = [each.say.name for each in self._spec.conditions] if isinstance(self._spec, AlarmSpec) else []
        moves: list[Move] = []
        phases = [Phase.NORMAL] * len(names)
        for step in self._trace.steps:
            if step.at > self._end:
                break
            for index, machine in enumerate(step.machines):
                if machine.phase is not phases[index]:
                    before, phases[index] = phases[index], machine.phase
                    words = before.name.lower(), machine.phase.name.lower()
                    moves.append(Move(step.at, names[index], *words, self._value(step.at)))
        return moves[-_MOST:]

    def _value(self, at: int) -> str:
        look = next((look for look in reversed(self._trace.looks) if look.at <= at), None)
        return self._teller.value(None if look is None else look.value)

    # --- what was really sent -----------------------------------------------------------------------

    def _differences(self) -> tuple[list[str], list[Finding]]:
        """What was sent and is not told, or told and was not sent; apart what the missing samples explain."""
        differences: list[str] = []
        unexplained: list[Finding] = []
        left = list(self._sent or ())
        for event in self._told if self._sent is not None else ():
            match = next((each for each in left if _alike(each, event)), None)
            if match is not None:
                left.remove(match)
                continue
            differences.append(
                f"this configuration tells {event.type} at {self._teller.time(event.at)}, and the agent did not: "
                "it had another one then, or held it back (flood)"
            )
        for sent in left:
            told = f"the agent told {sent.type} at {self._teller.time(sent.at)} ({sent.id})"
            other = sent.digest not in ("", self._spec.digest)
            if not other and self._unseen(sent.at):
                unexplained.append(Finding(sent.at, f"{told}, because of samples that are not kept"))
            else:
                why = ": the rule was another one then" if other else ""
                differences.append(f"{told}, and this configuration does not{why}")
        return differences, unexplained

    def _unseen(self, at: int) -> bool:
        """Samples that could explain what was told then are missing: from then, or since what is told next before."""
        gaps = [*self._trace.away, (0, self._trace.begin), (self._trace.end, at + 1)]
        before = max((event.at for event in self._trace.told if event.at < at - _SAME), default=0)
        return any(since <= at and until >= before for since, until in gaps)


def _alike(sent: Sent, event: Event) -> bool:
    return sent.type == event.type and abs(sent.at - event.at) <= _SAME
