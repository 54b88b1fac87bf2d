"""The configuration as the rest of the house sees it, and the sections that belong to no adapter.

Rules for whoever changes this file: a section whose fields only one part of the house reads lives
beside that part; here is what is the agent's own. Every field has a docstring, because editors
show it (`edge-relay schema`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field

from agent.config.agent_section import AgentSection
from agent.config.alarms import ChatteringSection, FloodSection, MaintenanceSection
from agent.config.fields import Duration, Section, Size
from agent.config.files import Stamp
from agent.config.http_section import HttpSection
from agent.config.routed import routed
from agent.config.rules import ProfileSection, RuleDefaults, RuleSection
from agent.config.source_use import WrittenSource
from agent.destinations.config import DestinationConfig
from agent.errors import Problem
from agent.inbound.config import RelayConfig
from agent.model import SECOND, Json, TagSpec
from agent.rules.spec import FloodSpec, RuleSpec
from agent.sources import SourceConfig

_DAY: Final = 86_400 * SECOND
_LEAST_STORE: Final = 50_000_000  # bytes
_LEAST_SAMPLES: Final = 1_000_000  # bytes


class SamplesSection(Section):
    """The agent's own recent samples, in a file beside the store; the oldest go first."""

    keep: Duration = 7 * _DAY
    """How long they are kept; 0s: none are."""
    max_size: Annotated[Size, Field(ge=_LEAST_SAMPLES)] = 200_000_000
    """How large their file may grow; only changes of value take room."""


class StoreSection(Section):
    """Where events wait until they are delivered."""

    max_size: Annotated[Size, Field(ge=_LEAST_STORE)] = 2_000_000_000
    """How much room it may take on disk, all in all; when it is full the least important events go first."""
    keep_delivered: Duration = 7 * _DAY
    """How long delivered events are kept, to be sent again when somebody asks."""
    samples: SamplesSection = SamplesSection()
    """What the rules saw in the last days, for `edge-relay why`, and for tests made of events."""


class File(Section):
    """The whole configuration as it is written, in one file or in several of one folder."""

    agent: AgentSection
    """Who this agent is, and where it keeps its state."""
    store: StoreSection = StoreSection()
    """Where events wait until they are delivered."""
    http: HttpSection = HttpSection()
    """The page, its API, health and metrics."""
    sources: dict[str, WrittenSource] = Field(default={})
    """What is read, by name: PLCs, servers, brokers, and the tags of each."""
    templates: dict[str, WrittenSource] = Field(default={})
    """Device types, by name: what many sources have in common is written once, and used with `template`."""
    destinations: dict[str, DestinationConfig] = Field(default={})
    """Who is told, by name."""
    inbound: dict[str, RelayConfig] = Field(default={})
    """Relays that are asked for webhooks of the cloud, by name, and what is done with these."""
    watch: bool = False
    """The files are looked at again when they change on disk; else on SIGHUP alone."""
    defaults: RuleDefaults = RuleDefaults()
    """What holds for every rule that does not say otherwise."""
    profiles: dict[str, ProfileSection] = Field(default={})
    """Bundles of noise keys by type of signal, by name; a rule takes one with `profile`."""
    rules: dict[str, RuleSection] = Field(default={})
    """When an event is made, by name."""
    maintenance: Annotated[tuple[MaintenanceSection, ...], Field(strict=False)] = ()
    """Spans of time in which the alarms of some rules are expected, and not announced."""
    flood: FloodSection | None = None
    """When more alarms come than anybody can read; without it every one is told at once."""
    chattering: ChatteringSection | None = None
    """When one alarm comes and goes; without it every raise and return is told."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration without an error.

    Attributes:
        sources, destinations, inbound: by name.
        tags: every tag of every source.
        written_rules: the rules as they are written, to tell what a change of the file changed.
        written_sections: what holds for all rules, and the store, as it is written; for the same reason.
        flood: when alarms are held back and told in digests; None: never.
        watch: the files are looked at again when they change on disk.
        stamp: the state of its files on disk before they were read.
        warnings: what works, but is hardly meant so; the command line shows them.
    """

    agent: AgentSection
    store: StoreSection
    http: HttpSection
    sources: Mapping[str, SourceConfig]
    destinations: Mapping[str, DestinationConfig]
    rules: tuple[RuleSpec, ...]
    tags: Mapping[str, TagSpec]
    written_rules: Mapping[str, Mapping[str, Json]]
    written_sections: Mapping[str, Json] = field(default_factory=dict)
    flood: FloodSpec | None = None
    inbound: Mapping[str, RelayConfig] = field(default_factory=dict)
    watch: bool = False
    stamp: Stamp = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def outlets(self) -> Mapping[str, DestinationConfig]:
        """All that is delivered to: the destinations, and the services and topics of routes."""
        return {**self.destinations, **routed(self.inbound, self.sources)}

    def summary(self) -> str:
        """What is in it, for a person; the rules that nobody wrote apart, so that the rest can be counted."""
        unwritten = sum(rule.rule_id not in self.written_rules for rule in self.rules)
        return (
            f"{_count(len(self.sources), 'source')}, {_count(len(self.tags), 'tag')}, "
            f"{_count(len(self.written_rules), 'rule')} and {unwritten} over connections, "
            f"{_count(len(self.destinations), 'destination')}"
            f"{'' if self.destinations else ' (nobody is told yet)'}"
            f"{', ' + _count(len(self.inbound), 'relay') if self.inbound else ''}"
        )


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
