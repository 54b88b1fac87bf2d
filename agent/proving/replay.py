"""One rule, played anew over what the agent recorded: what its machine saw and did, step by step.

Rules for whoever changes it: the very engine that runs live decides; here it is only watched. Where the
agent was away or lost samples, the engine is told so as it is after a restart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Final, NamedTuple

from agent.config.model import Configuration
from agent.model import SECOND, Command, Event, Quality, Value, WallClock
from agent.proving.play import Player, instant
from agent.proving.recorded import seen_in
from agent.recorder import watched
from agent.rules.dependencies import inputs_of
from agent.rules.engine import Engine
from agent.rules.gate import GateState
from agent.rules.machine import Machine
from agent.rules.runs import Run
from agent.rules.saved import encode
from agent.rules.spec import Absence, AlarmSpec, Counter, Deviation, Rate, RuleSpec, Unusual, Window
from agent.rules.state import AlarmState
from agent.store.chunks import ALIVE, CLOCK, COMMAND, LINK, TAG, Key
from agent.store.samples import Recorded

_LEAD: Final = 3600 * SECOND
_DAY: Final = 86_400 * SECOND


class Look(NamedTuple):
    """What the rule saw from `at` on.

    Attributes:
        value: what it compares; None: nothing that it could.
        fresh_until: up to here it may be believed, if nothing else comes.
        reason: why there is nothing to compare.
    """

    at: int
    value: Value | None
    fresh_until: int
    reason: str


class Step(NamedTuple):
    """What the rule was doing from `at` on; the machines are in the order of its conditions."""

    at: int
    machines: tuple[Machine, ...]
    gate: GateState
    fault: str
    chattering: bool = False


@dataclass(slots=True)
class Trace:
    """All of it; instants are UTC nanoseconds.

    Attributes:
        begin, end: of what was recorded.
        looks, steps, told: in order of time; `looks` and `steps` where something changed.
        away: when the agent did not run, or its samples were lost.
    """

    spec: RuleSpec
    begin: int
    end: int
    looks: list[Look] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    away: list[tuple[int, int]] = field(default_factory=list)


def needed(configuration: Configuration, name: str) -> tuple[RuleSpec, ...]:
    """The rule, and those whose alarms it asks for."""
    rules, wanted = configuration.rules, {name}
    while (
        more := {other.name for rule in rules if rule.name in wanted for other in _asked(rule, rules)}
        - wanted
    ):
        wanted |= more
    return tuple(rule for rule in rules if rule.name in wanted)


def _asked(rule: RuleSpec, rules: Sequence[RuleSpec]) -> Iterator[RuleSpec]:
    expressions = (rule.calc, rule.gate.when, rule.gate.suppress_while)
    names = frozenset().union(*(each.rules for each in expressions if each is not None))
    return (other for other in rules if other.name in names or other.rule in names)


def tracks_of(rules: Sequence[RuleSpec], configuration: Configuration) -> set[Key]:
    """All that must be read of what was recorded."""
    sources = {rule.subject for rule in rules if isinstance(rule, AlarmSpec) and rule.of_source}
    tags = {name for rule in rules for name in inputs_of(rule) | set(rule.wording.fields.values())}
    sources |= {configuration.tags[tag].source for tag in tags if tag in configuration.tags}
    tracks = {(TAG, tag) for tag in tags} | {(COMMAND, rule.name) for rule in rules} | {(CLOCK, "")}
    return tracks | {(kind, source) for kind in (LINK, ALIVE) for source in sources}


def lead_of(rules: Sequence[RuleSpec]) -> int:
    """For how long a rule must have been played before what it does is what it did."""
    return max(_LEAD, *(2 * _memory(rule) for rule in rules))


def _memory(rule: RuleSpec) -> int:
    longest = rule.gate.settle
    for measure in rule.measures:
        match measure:
            case Window(over=over) | Rate(over=over):
                longest += over
            case Unusual(learn=learn):
                longest += min(learn, _DAY)
            case Counter() | Deviation():
                pass
    if not isinstance(rule, AlarmSpec):
        return longest + (rule.at_least_every or 0)
    each = [
        c.say.wait + c.say.off_delay + (c.within if isinstance(c, Absence) else 0) for c in rule.conditions
    ]
    return longest + max(each) + (rule.chattering.quiet if rule.chattering else 0)


def replay(configuration: Configuration, name: str, sessions: Sequence[Recorded]) -> Trace:
    """Play what was recorded, oldest session first, to the rule `name`."""
    return _Replay(configuration, name, sessions).trace


class _Replay:
    def __init__(self, configuration: Configuration, name: str, sessions: Sequence[Recorded]) -> None:
        self._configuration, self._name = configuration, name
        self._rules = needed(configuration, name)
        self._patience = watched(self._rules, configuration.tags)
        self._minted = count(1)
        self._last = 0
        spec = next(rule for rule in self._rules if rule.name == name)
        begin, end = sessions[0].begin + sessions[0].offset, sessions[-1].until + sessions[-1].offset
        self.trace = Trace(spec, begin, end)
        before: Player | None = None
        for recorded in sessions:
            before = self._session(recorded, before)

    def _session(self, recorded: Recorded, before: Player | None) -> Player:
        begin = recorded.begin + recorded.offset
        player = Player(self._engine(begin))
        if before is not None:
            away = self._last
            if recorded.away_since is not None:  # the last sign of life may be younger than the last chunk
                away = max(away, recorded.away_since + recorded.offset)
            self._hand_over(before.engine, player, min(away, begin), begin)
        if (CLOCK, "") not in recorded.tracks:  # these instants are the wall clock's own
            self.trace.told += self._own(player.play([WallClock(begin, 0)]))
        for at, moment in groupby(seen_in(recorded, self._patience), instant):
            seen = [one for one in moment if not (isinstance(one, Command) and player.engine.refusal(one))]
            self.trace.told += self._own(player.play(seen))
            self._look(player.engine, at)
        self._last = recorded.until + recorded.offset
        self.trace.told += self._own(player.let_pass(self._last))
        self._look(player.engine, self._last)
        self.trace.away += [
            (since + recorded.offset, until + recorded.offset) for since, until in recorded.lost
        ]
        return player

    def _hand_over(self, before: Engine, player: Player, since: int, now: int) -> None:
        """The agent was away: what the store kept is taken up."""
        self.trace.away.append((self._last, now))
        kept = {name: encode(run.spec, run.state) for name, run in before.runs.items()}
        times = {
            name: tag.state.last_time for name, tag in before.tags.items() if tag.state.last_time is not None
        }
        taken = player.engine.restore(kept, times, away_since=since)
        self.trace.told += self._own(iter(player.keep(taken)))

    def _engine(self, started: int) -> Engine:
        engine = Engine(
            self._rules,
            self._configuration.tags.values(),
            self._configuration.sources,
            mint=lambda _: f"evt_{next(self._minted)}",
            started=started,
        )
        engine.on_step = self._step
        return engine

    def _own(self, events: Iterator[Event]) -> list[Event]:
        return [event for event in events if event.subject == self._name]

    def _step(self, run: Run, at: int) -> None:
        if run.spec.name != self._name:
            return
        core = run.state.core
        machines, chattering = (
            (core.machines, core.chattering) if isinstance(core, AlarmState) else ((), False)
        )
        step = Step(at, machines, run.state.gate, core.fault, chattering)
        steps = self.trace.steps
        if not steps or steps[-1][1:] != step[1:]:
            steps.append(step)

    def _look(self, engine: Engine, at: int) -> None:
        sight = engine.runs[self._name].sight
        try:
            good = sight.quality is not Quality.BAD
            look = Look(at, sight.value if good else None, sight.fresh_until, "" if good else sight.reason)
        except TypeError as error:
            look = Look(at, None, sight.fresh_until, str(error))
        looks = self.trace.looks
        last = looks[-1] if looks else None
        same = last is not None and (last.value, last.reason) == (look.value, look.reason)
        if same and last is not None and (look.value is None or at <= last.fresh_until + 1):
            looks[-1] = last._replace(fresh_until=look.fresh_until)
        else:
            looks.append(look)
