"""What a rule depends on, read off its specification: nobody need know how it works."""

from agent.rules.expression import Expression
from agent.rules.spec import Absence, AlarmSpec, Deviation, Limit, RuleSpec


def inputs_of(spec: RuleSpec) -> frozenset[str]:
    """The tags on which it depends what a rule does; those that its events merely carry are not among them."""
    own = {spec.subject} if spec.subject and not (isinstance(spec, AlarmSpec) and spec.of_source) else set()
    return frozenset(own | compared(spec)).union(*(each.tags for each in expressions_of(spec)))


def expressions_of(spec: RuleSpec) -> list[Expression]:
    """All that it calculates."""
    each = (spec.calc, spec.gate.when, spec.gate.suppress_while)
    return [expression for expression in each if expression is not None]


def compared(spec: RuleSpec) -> set[str]:
    """The tags beside its subject without whose values there is nothing to compare."""
    conditions = spec.conditions if isinstance(spec, AlarmSpec) else ()
    limits = {c.at for c in conditions if isinstance(c, Limit) and isinstance(c.at, str)}
    return limits | {each.tag for each in spec.measures if isinstance(each, Deviation)}


def quiet_between(spec: RuleSpec) -> tuple[float, float]:
    """Between which numbers a value changes nothing while nothing is going on."""
    nowhere = float("inf"), float("-inf")
    if not isinstance(spec, AlarmSpec) or spec.calc is not None:
        return nowhere
    above, below = float("-inf"), float("inf")
    for condition in spec.conditions:
        match condition:
            case Limit(at=str()):
                return nowhere
            case Limit(side=side, at=at) if side > 0:
                below = min(below, float(at))
            case Limit(at=at):
                above = max(above, float(at))
            case Absence():
                pass
            case _:
                return nowhere
    return above, below
