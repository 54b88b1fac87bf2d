"""What one rule did over the history: its events counted, and its machines followed.

Rules for whoever changes it: it watches and never decides; memory does not grow with the history.
"""

from collections.abc import Sequence
from typing import Final

from agent.model import SECOND, Event, EventType, Value
from agent.proving.curve import Compared
from agent.proving.figures import MINUTE, Count, Cut, Lost, Standing
from agent.proving.normal import NormalRecord, mood
from agent.proving.results import Doing, Excursions, Figures, Stretch, Told
from agent.proving.thinning import Thinned
from agent.rules.inputs import Tag
from agent.rules.machine import Phase
from agent.rules.runs import AnyState, Run
from agent.rules.spec import Absence, AlarmSpec, Announcement, Limit
from agent.rules.state import AlarmState

_MOST_EVENTS: Final = 2_000
_MOST_STRETCHES: Final = 2_000
_MOST_LENGTHS: Final = 4_096
_FIRST_JOIN: Final = SECOND
_DOINGS: Final = {
    Phase.PENDING: Doing.PENDING,
    Phase.ACTIVE: Doing.ACTIVE,
    Phase.CLEARING: Doing.CLEARING,
}


class Strip:
    """What one condition, or the rule as a whole, is doing; None: nothing worth a bar.

    Attributes:
        totals: how long each was done, exact.
    """

    def __init__(self, condition: str, begin: int) -> None:
        self.totals: dict[Doing, int] = {}
        self.doing: Doing | None = None
        self._condition = condition
        self._since = begin
        self._stretches: list[Stretch] = []
        self._join = _FIRST_JOIN

    def become(self, doing: Doing | None, at: int) -> None:
        """From `at` on it is doing that."""
        if doing is self.doing:
            return
        if self.doing is not None and at > self._since:
            self.totals[self.doing] = self.totals.get(self.doing, 0) + at - self._since
            self._stretches.append(Stretch(self._condition, self.doing, self._since, at))
            while len(self._stretches) > 2 * _MOST_STRETCHES:
                self._thin()
        self.doing, self._since = doing, at

    def stretches(self, end: int) -> Sequence[Stretch]:
        """The stretches up to the end of the history."""
        self.become(None, end)
        while len(self._stretches) > _MOST_STRETCHES:
            self._thin()
        return self._stretches

    def _thin(self) -> None:
        """Join neighbours that nobody could tell apart on a screen; the longer one names them."""
        thinned: list[Stretch] = []
        for stretch in self._stretches:
            before = thinned[-1] if thinned else None
            if before is None or stretch.end - before.begin > self._join:
                thinned.append(stretch)
                continue
            longer = max(before, stretch, key=lambda one: one.end - one.begin)
            thinned[-1] = longer._replace(begin=before.begin, end=stretch.end)
        self._stretches = thinned
        self._join *= 2


class Edge:
    """How one condition comes and goes, announced or not."""

    def __init__(self, say: Announcement) -> None:
        self._say = say
        self._beyond_since: int | None = None
        self._back_since: int | None = None
        self._lengths: Thinned[int] = Thinned(_MOST_LENGTHS)
        self._fleeting: Thinned[int] = Thinned(_MOST_LENGTHS)
        self._apart: Thinned[int] = Thinned(_MOST_LENGTHS)

    def become(self, phase: Phase, at: int) -> None:
        """The machine's phase is this from `at` on."""
        beyond = phase is Phase.PENDING or phase is Phase.ACTIVE
        if beyond and self._beyond_since is None:
            if self._back_since is not None:
                self._apart.append(at - self._back_since)
            self._beyond_since = at
        elif not beyond and self._beyond_since is not None:
            length = at - self._beyond_since
            self._lengths.append(length)
            if length <= MINUTE:
                self._fleeting.append(length)
            self._beyond_since, self._back_since = None, at

    def excursions(self) -> Excursions:
        """How often, how long, how far apart."""
        return Excursions(
            condition=self._say.name,
            on_delay=self._say.on_delay,
            off_delay=self._say.off_delay,
            count=self._lengths.count + (self._beyond_since is not None),
            lengths=tuple(self._lengths.kept),
            fleeting=tuple(self._fleeting.kept),
            apart=tuple(self._apart.kept),
        )


class RuleRecord:
    """Follows one rule instance.

    Attributes:
        spec: the rule.
        count, standing: of its alarms.
        events: the first of them.
        normal: its tag while all is well; None: it has no limits, or they are of another number.
        compared: that other number.
    """

    def __init__(self, run: Run, begin: int, cut: Cut) -> None:
        self.spec = spec = run.spec
        self.count = Count(cut.shift)
        self.standing = Standing()
        self.events: list[Told] = []
        conditions = spec.conditions if isinstance(spec, AlarmSpec) else ()
        self._strips = [Strip(condition.say.name, begin) for condition in conditions]
        self._gate = Strip("", begin)
        self._edges = [
            None if isinstance(condition, Absence) else Edge(condition.say) for condition in conditions
        ]
        self._phases = [Phase.NORMAL] * len(conditions)
        other = bool(spec.measures) or spec.calc is not None
        self.compared = Compared(run.sight.unit, cut.width, begin) if other else None
        plain = not other and any(isinstance(condition, Limit) for condition in conditions)
        self.normal = NormalRecord(_stale_after(run)) if plain else None
        self._state: AnyState | None = None

    def told(self, seq: int, event: Event) -> None:
        """It made an event."""
        self.count.add(event)
        self.standing.add(event)
        if len(self.events) < _MOST_EVENTS:
            self.events.append(_told(seq, event))

    def step(self, state: AnyState, at: int) -> None:
        """Its state is this from `at` on."""
        core, gate, before = state.core, state.gate, self._state
        self._state = state
        if self.compared is not None and state.measured is not None:
            self.compared.see(state.measured.value, at)
        if before is not None and before.core is core and before.gate is gate:
            return
        if self.normal is not None:
            self.normal.become(mood(state, at), at)
        if isinstance(core, AlarmState):
            for index, machine in enumerate(core.machines):
                if machine.phase is not self._phases[index]:
                    self._moved(index, machine.phase, at)
        disabled = gate.enabled is not None and not gate.open(at)
        self._gate.become(Doing.DISABLED if disabled else Doing.SUPPRESSED if gate.reasons else None, at)

    def _moved(self, index: int, phase: Phase, at: int) -> None:
        self._phases[index] = phase
        self._strips[index].become(_DOINGS.get(phase), at)
        edge = self._edges[index]
        if edge is not None:
            edge.become(phase, at)

    # --- the result -------------------------------------------------------------------------------------

    def stretches(self, end: int, gaps: Sequence[tuple[int, int]]) -> tuple[Stretch, ...]:
        """All that it did, and when it could not see, in order of time."""
        strips = (*self._strips, self._gate)
        blind = [Stretch("", Doing.BLIND, *gap) for gap in gaps]
        return tuple(sorted((*(s for strip in strips for s in strip.stretches(end)), *blind), key=_begin))

    def excursions(self) -> tuple[Excursions, ...]:
        """Of each condition that comes and goes with a value."""
        return tuple(edge.excursions() for edge in self._edges if edge is not None)

    def figures(self, span: int, blind: int, detection_delay: int | None) -> Figures:
        """Its figures, once the stretches have been taken."""
        totals = self._gate.totals
        lost = Lost(blind, totals.get(Doing.SUPPRESSED, 0), totals.get(Doing.DISABLED, 0))
        return self.count.figures(span, self.standing, lost, detection_delay)


def _stale_after(run: Run) -> int | None:
    own, subject = run.spec.stale_after, run.sight.subject
    return subject.spec.stale_after if own is None and isinstance(subject, Tag) else own


def _told(seq: int, event: Event) -> Told:
    value = event.data.get("value")
    known: Value | None = value if isinstance(value, bool | int | float | str) else None
    data = event.data
    level = data.get("condition", "") if event.type is EventType.ALARM_RETURNED else data.get("level")
    condition = str(level or data.get("condition") or "")
    return Told(seq, event.at, event.type, condition, event.priority, known, str(data.get("message", "")))


def _begin(stretch: Stretch) -> int:
    return stretch.begin
