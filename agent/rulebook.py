"""The rules of a configuration in words: what a command, the page and a shift lead read."""

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from agent.config.model import Configuration
from agent.model import Json
from agent.rules.sentence import sentence
from agent.rules.spec import RuleSpec
from agent.slices import in_slices


def is_written(spec: RuleSpec, configuration: Configuration) -> bool:
    """Whether it stands in the file; the rules over connections that nobody wrote do not."""
    return spec.rule_id in configuration.written_rules


def in_file_order(configuration: Configuration) -> list[RuleSpec]:
    """The engine's order is another: whoever asks for an alarm comes after it. What nobody wrote comes last."""
    place = {name: index for index, name in enumerate(configuration.written_rules)}
    return sorted(configuration.rules, key=lambda spec: place.get(spec.rule_id, len(place)))


def sentence_of(spec: RuleSpec, configuration: Configuration) -> str:
    """One instance of a rule in words."""
    return sentence(spec, configuration.tags.get(spec.subject), ZoneInfo(configuration.agent.zone))


async def rule_rows(configuration: Configuration, enabled: Callable[[str], bool]) -> list[Json]:
    """Each rule in the order of the file; `enabled` says it of an instance.

    A rule with instances has the sentence of its first, and is enabled while one of them is.
    """
    found: dict[str, list[RuleSpec]] = {}
    for spec in in_file_order(configuration):
        found.setdefault(spec.rule_id, []).append(spec)
    return await in_slices(lambda specs: _row(specs, configuration, enabled), list(found.values()))


def _row(specs: Sequence[RuleSpec], configuration: Configuration, enabled: Callable[[str], bool]) -> Json:
    first, names = specs[0], [spec.name for spec in specs]
    rule = first.rule_id
    row: dict[str, Json] = {
        "rule": rule,
        "sentence": sentence_of(first, configuration),
        "enabled": any(map(enabled, names)),
    }
    if names != [rule]:
        row["instances"] = list[Json](names)
    elif first.subject in configuration.tags:
        row["tag"] = first.subject
    return row
