"""Which rules a set of signals concerns: what a test has to play."""

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase

from agent.rules.dependencies import expressions_of
from agent.rules.spec import AlarmSpec, RuleSpec


def watched(rule: RuleSpec) -> frozenset[str]:
    """The tags whose value is what the rule watches; none for a connection."""
    if rule.calc is not None:
        return rule.calc.tags
    return frozenset() if _of_source(rule) else frozenset({rule.subject})


def concerned(
    rules: Sequence[RuleSpec], tags: Collection[str], patterns: Sequence[str] = ()
) -> tuple[RuleSpec, ...]:
    """The rules that watch one of `tags`, or a connection, and whose name is like one of `patterns`, if any.

    The others are left out: nothing is read for them, and that alone would be an alarm of those that
    expect samples.
    """
    return tuple(
        rule
        for rule in rules
        if (_of_source(rule) or not watched(rule).isdisjoint(tags))
        and (not patterns or any(like(rule, pattern) for pattern in patterns))
    )


def with_asked(wanted: Sequence[RuleSpec], rules: Sequence[RuleSpec]) -> tuple[RuleSpec, ...]:
    """Add to `wanted` the rules whose alarms their expressions ask for."""
    found = {rule.name for rule in wanted}
    while more := {name for rule in rules if rule.name in found for name in _asked(rule, rules)} - found:
        found |= more
    return tuple(rule for rule in rules if rule.name in found)


def like(rule: RuleSpec, pattern: str) -> bool:
    """The rule, or the instance, has a name of this pattern."""
    return fnmatchcase(rule.name, pattern) or fnmatchcase(rule.rule_id, pattern)


def _asked(rule: RuleSpec, rules: Sequence[RuleSpec]) -> Iterator[str]:
    """The instances whose alarms its expressions ask for."""
    names = {name for expression in expressions_of(rule) for name in expression.rules}
    return (other.name for other in rules if other.name in names or other.rule in names)


def _of_source(rule: RuleSpec) -> bool:
    return isinstance(rule, AlarmSpec) and rule.of_source
