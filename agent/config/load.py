"""Loading a configuration: all of it, or all that is wrong with it.

The files are read with positions, each section and each entry is validated on its own (so that one
mistake hides no other), and what refers to something else is checked over everything that was
named, whether it had errors or not (so that one mistake makes no other).

Rules for whoever changes this file: how a problem finds its place is `checking`'s; nothing here
knows a key of an adapter.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from agent.config.agent_section import AgentSection
from agent.config.alarms import FloodSection
from agent.config.certificates import unusable_certificates, unusable_server
from agent.config.doubts import doubts
from agent.config.fallbacks import check_fallbacks
from agent.config.http_section import HttpSection, check_http
from agent.config.imported import SOURCE
from agent.config.inbound import check_inbound
from agent.config.known_tags import KnownTags
from agent.config.load_rules import LoadingRules
from agent.config.model import Configuration, File, StoreSection
from agent.config.secrets import NOT_NEEDED, Secret
from agent.config.subscriptions import unheard
from agent.config.times import wall
from agent.config.walk import as_json, keys_of, texts_in
from agent.config.yaml_text import Keys, Plain
from agent.delivery.body import Identity
from agent.destinations.config import DestinationConfig
from agent.errors import ConfigError, Problem
from agent.formats.checking import Trial, mistakes
from agent.inbound.config import RelayConfig
from agent.model import Json, TagSpec
from agent.mqtt.sharing import same_client_ids
from agent.rules.spec import RuleSpec
from agent.sources import SourceConfig
from agent.sources.modbus.sharing import contradictions

_AGENT: Final = TypeAdapter(AgentSection)
_STORE: Final = TypeAdapter(StoreSection)
_HTTP: Final = TypeAdapter(HttpSection)
_WATCH: Final = TypeAdapter(Annotated[bool, Field(strict=True)])
_FLOOD: Final = TypeAdapter(FloodSection)
_RELAY: Final[TypeAdapter[RelayConfig]] = TypeAdapter(RelayConfig)
_DESTINATION: Final[TypeAdapter[DestinationConfig]] = TypeAdapter(DestinationConfig)

_TABLES: Final = {
    "rules",
    "sources",
    "templates",
    "destinations",
    "inbound",
    "http",
}  # compared on their own; the latter hold secrets
_ANY_RANGE: Final = (0.0, 100.0)  # of a tag with errors, so that a rule over it is not wrong as well
_KEEP_IT: Final = "put it into a file that only edge-relay may read, and write ${file:PATH} here"
_PLAIN: Final = "a reference such as ${env:NAME} is looked up in fields for secrets only: "
_IN_A_TEMPLATE: Final = "write it under `secrets`, and {{ secrets.NAME }} here"
_REFERENCE: Final = re.compile(r"\$\{(?:env|file|insecure_file|credential):")


def load(
    path: Path, environment: Mapping[str, str] = os.environ, now_wall: int | None = None
) -> Configuration:
    """Load a file, or all `*.yaml` of a folder; secrets are looked up on the way.

    Args:
        path: the file or the folder.
        environment: for `${env:NAME}`.
        now_wall: nanoseconds UTC, to warn of what is so today: what is over, and certificates that cannot
            be used; it changes nothing else.

    Raises:
        ConfigError: with every error of every entry, and the warnings, in the order of the file.
    """
    return _Loading(path, environment).configuration(now_wall)


class _Loading(LoadingRules):
    """From the document to the configuration."""

    def configuration(self, now_wall: int | None) -> Configuration:
        """Check everything.

        Raises:
            ConfigError: at least one error was found.
        """
        self.check_sections(File.model_fields)
        agent = self.section("agent", _AGENT)
        self.context = self.context if agent is None else replace(self.context, data_dir=agent.data_dir)
        self.expand_sources()
        store = self.section("store", _STORE)
        http = self.http(today=now_wall is not None)
        sources = self.sources()
        destinations = self.destinations(agent)
        tags = self.tags(sources)
        flood = self.optional("flood", _FLOOD)
        watch = self.optional("watch", _WATCH)
        zone = agent.zone if agent is not None else "UTC"
        specs = self.rules(tags, zone, sources)
        relays = self.relays(sources, specs)
        self.check_together(sources, destinations, relays, tags, today=now_wall is not None)
        self.doubt(specs, tags, zone, now_wall, destinations)
        if self.failed or agent is None or store is None or http is None:
            raise ConfigError(self.in_order())
        return Configuration(
            agent,
            store,
            http,
            sources,
            destinations,
            specs,
            dict(tags),
            self.written_rules(),
            self.written_sections(),
            None if flood is None else flood.spec(),
            relays,
            bool(watch),
            self.stamp,
            tuple(self.in_order()),
        )

    def in_order(self) -> list[Problem]:
        """Give what was found, as it stands in the files."""
        return sorted(self.problems, key=lambda problem: (problem.file, problem.line, problem.column))

    def check_together(
        self,
        sources: Mapping[str, SourceConfig],
        destinations: Mapping[str, DestinationConfig],
        relays: Mapping[str, RelayConfig],
        tags: KnownTags,
        *,
        today: bool,
    ) -> None:
        """Check the texts of all, and refuse what a source may say alone and not beside the others."""
        for name, source, other in tags.clashes():
            text = (
                f"it makes a tag `{name}` as well, which is a tag of source {source}: give one another name"
            )
            self.report(("sources", other), text)
        for wrong in contradictions(sources):
            self.report(("sources", wrong.source, wrong.key), wrong.text)
        for section, name, text in same_client_ids(sources, destinations):
            self.report((section, name, "client_id"), text)
        for source, pattern, text in tags.doubts():
            self.report(("sources", source, "tags", pattern), text, "warning", at_key=True)
        for path, text, severity in check_fallbacks(destinations, self.named("destinations")):
            self.report(path, text, severity)
        self.check_texts("sources", sources)
        self.check_texts("destinations", destinations)
        if today:
            sections = {"sources": sources, "destinations": destinations, "inbound": relays}
            for path, text in unusable_certificates(sections):
                self.report(path, text, "warning")

    def http(self, *, today: bool) -> HttpSection | None:
        """Give the section of the page, if there is no error in it."""
        if (http := self.section("http", _HTTP)) is None:
            return None
        known = self.context.environment is not NOT_NEEDED
        for path, text, severity in check_http(http, tokens_known=known):
            self.report(path, text, severity)
        if today and http.tls is not None and (why := unusable_server(http.tls)):
            self.report(("http", "tls"), why, "warning")
        self.check_texts_of(http, ("http",))
        return http

    def destinations(self, agent: AgentSection | None) -> dict[str, DestinationConfig]:
        """Give every destination without an error, and try how its events are written."""
        identity = Identity("site", "agent", "") if agent is None else Identity(agent.site, agent.name, "")
        floods = bool(self.document.data.get("flood"))
        sections = self.entries("destinations", _DESTINATION)
        for name, section in sections.items():
            trial = Trial(identity, section.subscription(), section.batching is not None, floods)
            for wrong in mistakes(section, trial):
                self.report(("destinations", name, *wrong.keys), wrong.text, column=wrong.column)
        return sections

    def relays(
        self, sources: Mapping[str, SourceConfig], specs: Sequence[RuleSpec]
    ) -> dict[str, RelayConfig]:
        """Give every relay without an error, and refuse what would be refused of every message."""
        relays = self.entries("inbound", _RELAY)
        rules = {*self.named("rules"), *(spec.name for spec in specs)}
        unsure, names = len(sources) < len(self.named("sources")), self.named("destinations")
        for path, text, severity in check_inbound(relays, sources, rules, names, unsure=unsure):
            self.report(path, text, severity)
        self.check_texts("inbound", relays)
        return relays

    @property
    def failed(self) -> bool:
        """At least one error was found."""
        return any(problem.severity == "error" for problem in self.problems)

    def doubt(
        self,
        specs: Sequence[RuleSpec],
        tags: KnownTags,
        zone: str,
        now_wall: int | None,
        destinations: Mapping[str, DestinationConfig],
    ) -> None:
        """Warn of what is hardly meant so, where all is well otherwise."""
        if self.failed:
            return
        for path, text in doubts(specs, tags, now_wall):
            self.report(path, text, "warning")
        for path, text in unheard(destinations, {spec.rule_id for spec in specs}, tags.declared):
            self.report(path, text, "warning")
        for index, section in self.maintenance().items():
            if now_wall is not None and wall(section.to, zone) <= now_wall:
                self.report(("maintenance", index, "to"), "it is over: delete it, or set it anew", "warning")

    def written_sections(self) -> dict[str, Json]:
        """Give the sections that are no tables of rules, sources or destinations, as they are written."""
        written = {str(name): as_json(value) for name, value in self.document.data.items()}
        return {name: value for name, value in written.items() if name not in _TABLES}

    def tags(self, sources: Mapping[str, SourceConfig]) -> KnownTags:
        """Give every tag that is named, right or not; a name belongs to one source only."""
        tags = KnownTags()
        for source, entry in self.named("sources").items():
            config = sources.get(source) or self.without_wrong_tags(source, entry)
            specs = {spec.name: spec for spec in config.tag_specs(source)} if config else {}
            if config is not None:
                tags.ask(source, config)
                for tag, why in config.wrong_names():
                    self.report(("sources", source, "tags", tag), f"`{tag}`: {why}", at_key=True)
            for tag in (*keys_of(entry, "tags"), *self.unusable(source)):
                if tag in tags.declared:
                    self.clash(source, tag, tags.declared[tag].source)
                else:
                    tags.declare(specs.get(tag) or TagSpec(tag, source, range=_ANY_RANGE))
        return tags

    def without_wrong_tags(self, source: str, entry: Plain) -> SourceConfig | None:
        """Validate what is right of a source, so that the rules over its other tags can be checked."""
        if not isinstance(entry, dict) or not isinstance(tags := entry.get("tags"), dict):
            return None
        right = {tag: of for tag, of in tags.items() if ("sources", source, "tags", tag) not in self.wrong}
        try:
            return SOURCE.validate_python(entry | {"tags": right}, context=self.context)
        except ValidationError:
            return None  # noted when the whole was validated

    def check_texts(self, section: str, entries: Mapping[str, BaseModel]) -> None:
        """Warn of secrets in plain text, and refuse references where they would stay text."""
        for name, entry in entries.items():
            self.check_texts_of(entry, (section, name))

    def check_texts_of(self, entry: BaseModel, place: Keys) -> None:
        """The same for one section."""
        for path, text in texts_in(entry, place):
            if isinstance(text, Secret):
                if text.exposed:
                    self.report(path, f"a secret {text.exposed}: {_KEEP_IT}", "warning")
            elif _REFERENCE.search(text):
                remedy = _IN_A_TEMPLATE if path[2:] == ("template",) else "write the text itself"
                self.report(path, _PLAIN + remedy)
