"""Loading a configuration: all of it, or all that is wrong with it.

The files are read with positions, each section and each entry is validated on its own (so that one
mistake hides no other), and what refers to something else is checked over everything that was
named, whether it had errors or not (so that one mistake makes no other).

Rules for whoever changes this file: no check stops at its first finding; a problem stands where
the engineer has to type; nothing here knows a key of an adapter.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from agent.config.compile import compile_rules
from agent.config.doubts import doubts
from agent.config.files import read_files
from agent.config.messages import did_you_mean, findings
from agent.config.model import AgentSection, Configuration, File, HttpSection, StoreSection
from agent.config.rules import RuleDefaults, RuleSection
from agent.config.secrets import Secret, SecretPlaces
from agent.config.yaml_text import Keys, Plain
from agent.destinations.config import DestinationConfig
from agent.errors import ConfigError, Problem
from agent.model import Json, TagSpec
from agent.rules.spec import RuleSpec
from agent.sources import SourceConfig

Validated = TypeVar("Validated")

_AGENT: Final = TypeAdapter(AgentSection)
_STORE: Final = TypeAdapter(StoreSection)
_HTTP: Final = TypeAdapter(HttpSection)
_DEFAULTS: Final = TypeAdapter(RuleDefaults)
_RULE: Final = TypeAdapter(RuleSection)
_SOURCE: Final[TypeAdapter[SourceConfig]] = TypeAdapter(SourceConfig)
_DESTINATION: Final[TypeAdapter[DestinationConfig]] = TypeAdapter(DestinationConfig)

_NAME: Final = re.compile(r"\w[\w.-]{0,99}")
_TAG_NAME: Final = re.compile(r"[^\s{}\"\x00-\x1f\x7f](?:[^{}\"\x00-\x1f\x7f]{0,198}[^\s{}\"\x00-\x1f\x7f])?")
_ENTRIES: Final = {"sources": "source", "destinations": "destination", "rules": "rule"}
_SCALARS: Final = (bool, int, float, str)
_ANY_RANGE: Final = (0.0, 100.0)  # of a tag with errors, so that a rule over it is not wrong as well
_NO_VALUE: Final = "a value is missing (`#` begins a comment: a text with it needs quotes)"
_NO_KEYS: Final = "nothing stands under it: indent its keys by two more spaces"
_KEEP_IT: Final = "put it into a file that only edge-relay may read, and write ${file:PATH} here"
_REFERENCE: Final = re.compile(r"\$\{(?:env|file|insecure_file|credential):")


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Load a file, or all `*.yaml` of a folder; secrets are looked up on the way.

    Raises:
        ConfigError: with every error of every entry, and the warnings, in the order of the file.
    """
    return _Loading(path, environment).configuration()


def load_agent(path: Path) -> AgentSection:
    """Load the agent's own section: what a command needs to find a running agent, whose file may be wrong.

    Raises:
        ConfigError: that section has errors, or was not found.
    """
    loading = _Loading(path, os.environ)
    agent = loading.section("agent", _AGENT)
    if agent is None:
        raise ConfigError(loading.problems)
    return agent


class _Loading:
    """One run over all that is written; collects problems."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.document = read_files(path)
        self.context = SecretPlaces(environment, path if path.is_dir() else path.parent)
        self.problems = list(self.document.problems)
        self.refused = {(problem.file, problem.line, problem.column) for problem in self.problems}
        self.wrong: set[Keys] = set()  # tags in which an error was found
        self.empty: set[Keys] = set()  # keys without a value

    def configuration(self) -> Configuration:
        """Check everything.

        Raises:
            ConfigError: at least one error was found.
        """
        self.check_sections()
        agent = self.section("agent", _AGENT)
        store = self.section("store", _STORE)
        http = self.section("http", _HTTP)
        sources = self.entries("sources", _SOURCE)
        destinations = self.entries("destinations", _DESTINATION)
        defaults = self.section("defaults", _DEFAULTS)
        rules = self.entries("rules", _RULE)
        tags = self.tags(sources)
        specs: tuple[RuleSpec, ...] = ()
        if self.document.complete:  # else most of what a rule names would be unknown
            specs = compile_rules(rules, defaults or RuleDefaults(), tags, self.named("sources"), self.report)
        self.check_texts("sources", sources)
        self.check_texts("destinations", destinations)
        if not any(problem.severity == "error" for problem in self.problems):
            for path, text in doubts(specs, tags):
                self.report(path, text, "warning")
        self.problems.sort(key=lambda problem: (problem.file, problem.line, problem.column))
        failed = any(problem.severity == "error" for problem in self.problems)
        if failed or agent is None or store is None or http is None:
            raise ConfigError(self.problems)
        written = {
            name: {str(key): _as_json(value) for key, value in rule.items()}
            for name, rule in self.named("rules").items()
            if isinstance(rule, dict)
        }
        return Configuration(
            agent, store, http, sources, destinations, specs, tags, written, tuple(self.problems)
        )

    def report(self, path: Keys, text: str, severity: str = "error", *, at_key: bool = False) -> None:
        """Note a problem at the position of a path, or of the nearest part of it that is in a file.

        Where the text itself was refused already, nothing is added.
        """
        stands = path
        while stands not in self.document.places:
            stands = stands[:-1]
        place = self.document.places[stands]
        in_value = stands == path and not at_key and isinstance(_value(self.document.data, path), _SCALARS)
        position = place.value if in_value else place.key
        if position not in self.refused:
            subject = _subject(path[:-1] if at_key else path)
            self.problems.append(Problem(*position, subject + text, severity))
        if severity == "error" and path[2:3] == ("tags",):
            self.wrong.add(path[:4])

    def named(self, section: str) -> dict[str, Plain]:
        """Give the entries of a section as they are written, whether they are right or not."""
        entries = self.document.data.get(section)
        return {str(name): entry for name, entry in entries.items()} if isinstance(entries, dict) else {}

    def check_sections(self) -> None:
        """Refuse sections that do not exist, entries that are no map, and names that cannot be used."""
        for section, entries in self.document.data.items():
            if section not in File.model_fields:
                guess = did_you_mean(section, File.model_fields)
                self.report((section,), f"unknown section `{section}`{guess}", at_key=True)
            elif not isinstance(entries, dict):
                self.report((section,), "expected a map: `key: value`, each on a line of its own, indented")
            elif section in _ENTRIES:
                for name in entries:
                    self.check_name((section, name), _NAME, "letters, digits, `_`, `-` and `.`")
            for path in _empty(entries, (section,)):
                self.empty.add(path)
                self.report(path, _NO_KEYS if len(path) == 2 and section in _ENTRIES else _NO_VALUE)  # noqa: PLR2004 - section, name
        for source, entry in self.named("sources").items():
            for tag in _keys(entry, "tags"):
                self.check_name(("sources", source, "tags", tag), _TAG_NAME, "text without braces and quotes")

    def check_name(self, path: Keys, form: re.Pattern[str], expected: str) -> None:
        """Refuse a name that expressions, file names or receivers could not hold."""
        name = path[-1]
        if not isinstance(name, str):
            self.report(path, f'a name that is a number needs quotes: "{name}"', at_key=True)
        elif not form.fullmatch(name):
            self.report(path, f"`{name}` cannot be a name: expected {expected}", at_key=True)

    def section(self, name: str, adapter: TypeAdapter[Validated]) -> Validated | None:
        """Validate a section that is one map; None if it has errors, or may stand in what was not read."""
        if name not in self.document.data and not self.document.complete:
            return None
        return self.validate((name,), self.document.data.get(name, {}), adapter)

    def entries(self, section: str, adapter: TypeAdapter[Validated]) -> dict[str, Validated]:
        """Validate each entry of a section; those with errors are left out."""
        checked = {
            name: self.validate((section, name), entry, adapter)
            for name, entry in self.named(section).items()
        }
        return {name: entry for name, entry in checked.items() if entry is not None}

    def validate(self, path: Keys, data: Plain, adapter: TypeAdapter[Validated]) -> Validated | None:
        """Validate one piece of the document, noting all that is wrong with it."""
        try:
            valid = adapter.validate_python(data, context=self.context)
        except ValidationError as error:
            for found in findings(error, data, adapter):
                if found.at_key or (*path, *found.path) not in self.empty:
                    self.report((*path, *found.path), found.text, at_key=found.at_key)
            return None
        return None if any(empty[: len(path)] == path for empty in self.empty) else valid

    def tags(self, sources: Mapping[str, SourceConfig]) -> dict[str, TagSpec]:
        """Give every tag that is named, right or not; a name belongs to one source only."""
        tags: dict[str, TagSpec] = {}
        for source, entry in self.named("sources").items():
            config = sources.get(source) or self.without_wrong_tags(source, entry)
            specs = {spec.name: spec for spec in config.tag_specs(source)} if config else {}
            for tag in _keys(entry, "tags"):
                if tag in tags:
                    text = f"tag `{tag}` is read by source {tags[tag].source} already: give one another name"
                    self.report(("sources", source, "tags", tag), text, at_key=True)
                else:
                    tags[tag] = specs.get(tag) or TagSpec(tag, source, range=_ANY_RANGE)
        return tags

    def without_wrong_tags(self, source: str, entry: Plain) -> SourceConfig | None:
        """Validate what is right of a source, so that the rules over its other tags can be checked."""
        if not isinstance(entry, dict) or not isinstance(tags := entry.get("tags"), dict):
            return None
        right = {tag: of for tag, of in tags.items() if ("sources", source, "tags", tag) not in self.wrong}
        try:
            return _SOURCE.validate_python(entry | {"tags": right}, context=self.context)
        except ValidationError:
            return None  # noted when the whole was validated

    def check_texts(self, section: str, entries: Mapping[str, BaseModel]) -> None:
        """Warn of secrets in plain text, and refuse references where they would stay text."""
        for name, entry in entries.items():
            for path, text in _texts(entry, (section, name)):
                if isinstance(text, Secret):
                    if text.exposed:
                        self.report(path, f"a secret {text.exposed}: {_KEEP_IT}", "warning")
                elif _REFERENCE.search(text):
                    self.report(
                        path, "a reference such as ${env:NAME} is looked up in fields for secrets only"
                    )


def _value(data: Plain, path: Keys) -> Plain:
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
    return data


def _as_json(written: Plain) -> Json:
    """Give a value with its keys as JSON has them."""
    if isinstance(written, dict):
        return {str(key): _as_json(value) for key, value in written.items()}
    return [_as_json(value) for value in written] if isinstance(written, list) else written


def _keys(entry: Plain, key: str) -> list[str]:
    """Give the keys of a map in an entry, if it has one."""
    inner = entry.get(key) if isinstance(entry, dict) else None
    return [str(name) for name in inner] if isinstance(inner, dict) else []


def _empty(data: Plain, path: Keys) -> Iterator[Keys]:
    """Give the paths under which nothing stands: a limit that was forgotten must not mean no limit."""
    match data:
        case None:
            yield path
        case dict():
            for key, value in data.items():
                if value is not None or ":" not in str(key):  # `{high:5}` is a key, refused as unknown
                    yield from _empty(value, (*path, key))
        case list():
            for index, value in enumerate(data):
                yield from _empty(value, (*path, index))


def _texts(value: object, path: Keys) -> Iterator[tuple[Keys, Secret | str]]:
    """Give every text and secret in a validated entry, with its path."""
    match value:
        case Secret() | str():
            yield path, value
        case BaseModel():
            for name, field in type(value).model_fields.items():
                yield from _texts(getattr(value, name), (*path, field.alias or name))
        case dict():
            for name, item in value.items():
                yield from _texts(item, (*path, name))
        case tuple() | list():
            for index, item in enumerate(value):
                yield from _texts(item, (*path, index))


def _subject(path: Keys) -> str:
    """Name what a problem is about: `rule R1-temperature, high.at`."""
    match path:
        case ("sources", _, "tags", name, *rest):
            subject = f"tag {name}"
        case (str(section), name, *rest) if section in _ENTRIES:
            subject = f"{_ENTRIES[section]} {name}"
        case (section, *rest):
            subject = str(section)
        case _:
            return ""
    inner = ".".join(str(step) for step in rest if isinstance(step, str))
    return f"{subject}, {inner}: " if inner else f"{subject}: "
