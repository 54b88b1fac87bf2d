"""What a doubt is, and what several of them ask of a rule."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from agent.config.yaml_text import Keys
from agent.model import TagSpec
from agent.rules.spec import AlarmSpec, Limit, RuleSpec, Take, Window

Doubt: TypeAlias = tuple[Keys, str]
"""Where it stands, and what it says; of one rule, the keys below the rule."""

Judge: TypeAlias = Callable[[RuleSpec, Mapping[str, TagSpec]], Iterator[Doubt]]


def path_of(rule: RuleSpec, *keys: str | int) -> Keys:
    """Where a key of a rule stands in the file."""
    return ("rules", rule.rule_id, *keys)


def tag_of(rule: RuleSpec, tags: Mapping[str, TagSpec]) -> TagSpec | None:
    """The tag that is watched; None of a calculation and of a source."""
    of_source = isinstance(rule, AlarmSpec) and rule.of_source
    return None if of_source or rule.calc is not None else tags.get(rule.subject)


def limits_of(rule: RuleSpec) -> Iterator[Limit]:
    """Its limits, if it has any."""
    if isinstance(rule, AlarmSpec):
        yield from (condition for condition in rule.conditions if isinstance(condition, Limit))


def shows_the_tag(rule: RuleSpec) -> bool:
    """What is compared lies within what the tag can show: the value itself, or what a window takes of it."""
    return all(isinstance(of, Window) and of.take is not Take.STDEV for of in rule.measures)
