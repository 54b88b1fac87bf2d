"""Doubts about people: alarms that nobody can act on, that come twice, or that are all urgent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from agent.config.doubts.finding import Doubt, path_of
from agent.model import Priority, TagSpec
from agent.rules.spec import Absence, AlarmSpec, Awaited, Condition, Limit, RuleSpec

_MANY: Final = 20
_MOST_LOUD: Final = 0.25  # published practice is 5 % high, 15 % medium, 80 % low (references: rules, 4.2)


def nobody_knows_what_to_do(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> Iterator[Doubt]:  # noqa: ARG001 - as the other judges
    """A loud alarm without a response; of a lost connection, its own message says what to look at."""
    if not isinstance(rule, AlarmSpec) or rule.of_source or rule.wording.response:
        return
    loud = [condition for condition in rule.conditions if condition.say.priority >= Priority.HIGH]
    if loud:
        own = isinstance(loud[0], Limit) and len(loud) < len(rule.conditions)
        yield (
            (loud[0].say.name, "priority") if own else ("priority",),
            f"who gets it is not told what to do: write a response, or a priority below {loud[0].say.priority.word}",
        )


def trial_is_over(rule: RuleSpec, now_wall: int) -> Iterator[Doubt]:
    """What was on trial has begun to send."""
    until = rule.gate.trial_until
    if until is not None and until <= now_wall:
        yield ("trial",), "it is over, and events are sent: delete this line, or set a later date"


def told_twice(rules: Sequence[RuleSpec]) -> Iterator[Doubt]:
    """Two rules that are raised by the same thing, at the same time, for the same people."""
    first: dict[tuple[object, ...], RuleSpec] = {}
    for rule in rules:
        if not isinstance(rule, AlarmSpec) or rule.of_source:
            continue
        for condition in rule.conditions:
            if isinstance(condition, Absence) and condition.awaited is Awaited.QUALITY:
                continue  # of `on_bad: alarm`, which any number of rules over a tag may have
            before = first.setdefault(_cause(rule, condition), rule)
            if before is not rule:
                yield (
                    path_of(rule, condition.say.name),
                    f"{before.name} is raised by the same: one cause, two alarms; delete one of them",
                )


def _cause(rule: AlarmSpec, condition: Condition) -> tuple[object, ...]:
    """What raises it, and who is told; another delay is on purpose (first the operator, then the chief)."""
    say = condition.say
    silent = replace(say, name="", rank=0, off_delay=0, message=None, priority=Priority.MEDIUM)
    same = replace(condition, say=silent)
    if isinstance(same, Limit):
        same = replace(same, deadband=0.0)
    calc = rule.calc.text if rule.calc is not None else ""
    journal = say.priority is Priority.JOURNAL
    return (rule.subject, calc, rule.measures, same, rule.gate, rule.wording.send_to, journal)


def all_are_loud(rules: Sequence[RuleSpec]) -> Iterator[Doubt]:
    """Where everything is urgent, nothing is; a rule is loud if all of its alarms are."""
    loud: dict[str, bool] = {}
    for rule in rules:
        if isinstance(rule, AlarmSpec) and not rule.of_source:
            least = min(condition.say.priority for condition in rule.conditions)
            if least is not Priority.JOURNAL:
                loud[rule.rule_id] = least >= Priority.HIGH
    many = sum(loud.values())
    if len(loud) >= _MANY and many > _MOST_LOUD * len(loud):
        yield (
            ("rules",),
            (
                f"{many} of {len(loud)} rules are high or critical, so none stands out: "
                "keep these for what must be answered at once (usual is one in twenty)"
            ),
        )
