"""Which rule is looked at before which: one that asks `active("X")` comes after X.

Rules for whoever changes this: the order of the file stays wherever nobody asks; rules that wait
for one another are an error, which names all of them.
"""

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import pairwise

from agent.config.compile.draft import Report
from agent.rules.expression import Expression
from agent.rules.spec import RuleSpec


def in_order(specs: Sequence[RuleSpec], report: Report) -> list[RuleSpec]:
    """Put every rule after those whose alarms it asks for; cycles are reported, and cut."""
    asked = _asked(specs)
    while True:
        sorter = TopologicalSorter(asked)
        try:
            sorter.prepare()
        except CycleError as error:
            asked[_report_cycle(specs, error.args[1], report)] = set()
        else:
            return [specs[index] for index in _earliest_first(sorter)]


def _asked(specs: Sequence[RuleSpec]) -> dict[int, set[int]]:
    """The rules that each one asks for, all by their place in the file."""
    by_name: dict[str, set[int]] = {}
    for index, spec in enumerate(specs):
        for name in {spec.name, spec.rule_id}:
            by_name.setdefault(name, set()).add(index)
    return {
        index: {
            other
            for expression in _asking(spec).values()
            for name in expression.rules
            for other in by_name.get(name, ())
        }
        for index, spec in enumerate(specs)
    }


def _asking(spec: RuleSpec) -> dict[str, Expression]:
    """The expressions that may ask for a rule, by their keys."""
    written = {"calc": spec.calc, "when": spec.gate.when, "suppress_while": spec.gate.suppress_while}
    return {key: expression for key, expression in written.items() if expression is not None}


def _report_cycle(specs: Sequence[RuleSpec], cycle: Sequence[int], report: Report) -> int:
    """Report a cycle at the rule of it that stands first in the file; which one that is."""
    ring = [*reversed(cycle[1:])]  # graphlib goes from the asked to the asking, and names the first twice
    turn = ring.index(min(ring))
    ring = ring[turn:] + ring[:turn]
    rules = [specs[index] for index in ring]
    first, asked = rules[0], rules[1 % len(rules)]
    key = next(key for key, of in _asking(first).items() if of.rules & {asked.name, asked.rule})
    asks = ", ".join(f"{one.name} asks for {other.name}" for one, other in pairwise([*rules, first]))
    path = ("rules", first.rule_id, key)
    report(
        path,
        f"these rules wait for one another: {asks}; take one of these out"
        if len(rules) > 1
        else "a rule cannot wait for its own alarm: name another one",
    )
    return ring[0]


def _earliest_first(sorter: "TopologicalSorter[int]") -> Iterable[int]:
    ready: list[int] = []
    while sorter.is_active():
        for index in sorter.get_ready():
            heappush(ready, index)
        index = heappop(ready)
        yield index
        sorter.done(index)
