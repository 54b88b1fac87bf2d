"""What the tests of a configuration have shown of its rules, and what they have not.

Of each condition: that it became active, and that it was over. Of a gate: both of its answers. Of a
report: one report. Coverage is of what the machines did, whether it was announced or not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.config.model import Configuration
from agent.model import Event, EventType, Priority
from agent.rules.gate import BY_DESIGN
from agent.rules.runs import Run
from agent.rules.spec import AlarmSpec, RuleSpec

NO_TEST: Final = "no test"


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """What was shown of one rule.

    Attributes:
        shown, of: how many of how many things.
        missing: the others, as a person reads them.
    """

    rule: str
    shown: int
    of: int
    missing: tuple[str, ...]


@dataclass
class Coverage:
    """Collects what tests of one configuration show.

    Attributes:
        tested: rules that a test concerned.
        shown: (rule, what).
    """

    configuration: Configuration
    tested: set[str] = field(default_factory=set)
    shown: set[tuple[str, str]] = field(default_factory=set)

    def watch(self, rules: Sequence[RuleSpec]) -> Callable[[Run, int], None]:
        """Begin a test over `rules`; what to call at each step of it."""
        self.tested |= {rule.name for rule in rules}
        active: dict[str, frozenset[str]] = {}

        def on_step(run: Run, _: int) -> None:
            name = run.spec.name
            now = frozenset(_active(run))
            before = active.get(name, frozenset())
            active[name] = now
            self.shown |= {(name, f"{each} raised") for each in now}
            self.shown |= {(name, f"{each} returned") for each in before - now}
            self.shown |= {(name, what) for what in _gate(run)}

        return on_step

    def told(self, events: Iterable[Event]) -> None:
        """Take what a test told: reports are seen by their events."""
        self.shown |= {(e.subject, "reported") for e in events if e.type is EventType.TAG_CHANGED}

    def rules(self) -> Iterator[RuleCoverage]:
        """What was shown of each rule that is written in the file."""
        for rule in self.configuration.rules:
            if rule.rule_id not in self.configuration.written_rules:
                continue
            wanted = list(_wanted(rule))
            missing = [what for what in wanted if (rule.name, what) not in self.shown]
            told = [NO_TEST] if rule.name not in self.tested else [_never(what) for what in _first(missing)]
            yield RuleCoverage(rule.name, len(wanted) - len(missing), len(wanted), tuple(told))


def _first(missing: Sequence[str]) -> Iterator[str]:
    """What was never raised need not be told to have never returned."""
    return (
        what
        for what in missing
        if what.replace(" returned", " raised") not in missing or " returned" not in what
    )


def _never(what: str) -> str:
    *subject, verb = what.rsplit(" ", 1)
    return " ".join([*subject, "never", verb])


def _wanted(rule: RuleSpec) -> Iterator[str]:
    if rule.gate.when is not None:
        yield from ("when true", "when false")
    if rule.gate.suppress_while is not None:
        yield from ("suppress_while true", "suppress_while false")
    if not isinstance(rule, AlarmSpec):
        yield "reported"
        return
    for condition in rule.conditions:
        yield f"{condition.say.name} raised"
        if condition.say.priority is not Priority.JOURNAL:
            yield f"{condition.say.name} returned"


def _active(run: Run) -> Iterator[str]:
    """The conditions that are active now."""
    if isinstance(run.spec, AlarmSpec):
        for condition, machine in zip(run.spec.conditions, run.state.core.machines, strict=True):
            if machine.active:
                yield condition.say.name


def _gate(run: Run) -> Iterator[str]:
    gate = run.state.gate
    if gate.waits:
        return
    if gate.enabled is not None:
        yield f"when {str(gate.enabled).lower()}"
    yield f"suppress_while {str(BY_DESIGN in gate.reasons).lower()}"
