"""What a configuration may say, but hardly means: warnings over rules that have no error.

Rules for whoever adds one: it names what will never happen because of it; nothing that a careful
engineer writes on purpose is doubted.
"""

from collections.abc import Iterable, Iterator, Mapping

from agent.config.yaml_text import Keys
from agent.model import TagSpec
from agent.rules.spec import AlarmSpec, Limit, RuleSpec


def doubts(rules: Iterable[RuleSpec], tags: Mapping[str, TagSpec]) -> Iterator[tuple[Keys, str]]:
    """Give the path and the text of each warning."""
    for rule in rules:
        if isinstance(rule, AlarmSpec) and not rule.of_source and (span := tags[rule.subject].range):
            for limit in rule.conditions:
                if isinstance(limit, Limit) and (text := _outside(limit, span)):
                    yield ("rules", rule.name, limit.say.name), f"{text} of {rule.subject}"


def _outside(limit: Limit, span: tuple[float, float]) -> str:
    low, high = span
    returns_at = limit.at - limit.side * limit.deadband
    if not low <= limit.at <= high:
        return f"it may never be raised: {limit.at:g} is outside of the range [{low:g}, {high:g}]"
    if not low <= returns_at <= high:
        return f"it may never return: that takes {returns_at:g}, outside of the range [{low:g}, {high:g}]"
    return ""
