"""Which rules a set of signals concerns: what a test, a backtest or `why` has to play."""

from collections.abc import Collection, Iterator, Sequence

from agent.rules.spec import AlarmSpec, Deviation, Limit, RuleSpec


def watched(rule: RuleSpec) -> frozenset[str]:
    """The tags whose value is what the rule watches; none for a connection."""
    if rule.calc is not None:
        return rule.calc.tags
    return frozenset() if _of_source(rule) else frozenset({rule.subject})


def looked_at(rule: RuleSpec) -> frozenset[str]:
    """Every tag that decides something about the rule."""
    expressions = (rule.gate.when, rule.gate.suppress_while)
    tags = [each.tags for each in expressions if each is not None]
    tags.append(frozenset(each.tag for each in rule.measures if isinstance(each, Deviation)))
    if isinstance(rule, AlarmSpec):
        limits = (each.at for each in rule.conditions if isinstance(each, Limit))
        tags.append(frozenset(at for at in limits if isinstance(at, str)))
    return watched(rule).union(*tags)


def concerned(rules: Sequence[RuleSpec], tags: Collection[str]) -> tuple[RuleSpec, ...]:
    """The rules that watch one of `tags`, or a connection, and the rules whose alarms these ask for.

    The others are left out: nothing is read for them, and that alone would be an alarm of those that
    expect samples.
    """
    found = {rule.name for rule in rules if _of_source(rule) or watched(rule) & set(tags)}
    while more := {name for rule in rules if rule.name in found for name in _asked(rule, rules)} - found:
        found |= more
    return tuple(rule for rule in rules if rule.name in found)


def _asked(rule: RuleSpec, rules: Sequence[RuleSpec]) -> Iterator[str]:
    """The instances whose alarms its expressions ask for."""
    expressions = (rule.calc, rule.gate.when, rule.gate.suppress_while)
    names = frozenset().union(*(each.rules for each in expressions if each is not None))
    return (other.name for other in rules if other.name in names or other.rule in names)


def _of_source(rule: RuleSpec) -> bool:
    return isinstance(rule, AlarmSpec) and rule.of_source
