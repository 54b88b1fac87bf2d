"""Rules as they are written, from the document to what the engine is made of.

Rules for whoever changes this file: see `load`, of which this is the part that decides about events.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import TypeAdapter

from agent.config.alarms import ChatteringSection, MaintenanceSection
from agent.config.compile import Plant, compile_rules, unwatched
from agent.config.expand import Written, expand, wrong_use
from agent.config.known_tags import KnownTags
from agent.config.rules import ProfileSection, RuleDefaults, RuleSection
from agent.config.templates import Expanding
from agent.config.walk import as_json
from agent.config.writable import check_conditions
from agent.config.yaml_text import Plain
from agent.model import Json
from agent.rules.spec import RuleSpec
from agent.sources import SourceConfig

_DEFAULTS: Final = TypeAdapter(RuleDefaults)
_PROFILE: Final = TypeAdapter(ProfileSection)
_RULE: Final = TypeAdapter(RuleSection)
_MAINTENANCE: Final = TypeAdapter(MaintenanceSection)
_CHATTERING: Final = TypeAdapter(ChatteringSection)


class LoadingRules(Expanding):
    """From what is written about rules to specifications."""

    def rules(self, tags: KnownTags, zone: str, right: Mapping[str, SourceConfig]) -> tuple[RuleSpec, ...]:
        """Check all that decides about events, and compile it."""
        defaults = self.section("defaults", _DEFAULTS)
        profiles = self.entries("profiles", _PROFILE)
        chattering = self.optional("chattering", _CHATTERING)
        maintenance = self.maintenance()
        rules = [written for name, entry in self.named("rules").items() for written in self.rule(name, entry)]
        if not self.document.complete or self.unsure:  # most of what a rule names would be unknown
            return ()
        ids = self.named("rules")
        sources = self.named("sources")
        names = [*ids, *(name for rule in rules for name in rule.names), *unwatched(rules, sources)]
        plant = Plant(
            tags=tags,
            sources=sources,
            destinations=self.named("destinations"),
            zone=zone,
            defaults=defaults or RuleDefaults(),
            profiles=profiles,
            profile_names=self.named("profiles"),
            maintenance=maintenance,
            chattering=None if chattering is None else chattering.spec(),
            rules=dict.fromkeys(names),
            reports={name for rule in rules if rule.section.change for name in (rule.rule, rule.name)},
            unsure=ids.keys() - {rule.rule for rule in rules},
            report=self.report,
        )
        check_conditions(right, plant)
        return compile_rules(rules, plant)

    def maintenance(self) -> dict[int, MaintenanceSection]:
        """Validate each span, by its place in the list; those with errors are left out."""
        written = self.document.data.get("maintenance") or []
        if not isinstance(written, list):
            self.report(("maintenance",), "expected a list: each span begins with `- `")
            return {}
        checked = {
            index: self.validate(("maintenance", index), entry, _MAINTENANCE)
            for index, entry in enumerate(written)
        }
        return {index: section for index, section in checked.items() if section is not None}

    def rule(self, name: str, entry: Plain) -> list[Written]:
        """Validate a rule once for each of its instances."""
        path = ("rules", name)
        if problems := list(wrong_use(entry)):
            for inner, text in problems:
                self.report((*path, *inner), text)
            self.validate(path, entry, _RULE)
            return []
        instances = [(each, self.validate(path, filled, _RULE)) for each, filled in expand(entry)]
        return [Written(name, each, section) for each, section in instances if section is not None]

    def written_rules(self) -> dict[str, dict[str, Json]]:
        """Give the rules as they are written."""
        return {
            name: {str(key): as_json(value) for key, value in rule.items()}
            for name, rule in self.named("rules").items()
            if isinstance(rule, dict)
        }
