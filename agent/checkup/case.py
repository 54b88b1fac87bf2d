"""What is examined: the configuration, as much of it as can be used, and what its agent says, if one runs.

Rules for whoever changes this: a part without errors is examined whatever is wrong with the others; where the
secrets cannot be read from here (systemd hands them to the service alone) all else is examined without them.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from agent.config.agent_section import AgentSection, load_agent
from agent.config.http_section import HttpSection
from agent.config.model import StoreSection
from agent.config.secrets import NOT_NEEDED
from agent.config.templates import Expanding
from agent.config.yaml_text import Plain
from agent.destinations.config import DestinationConfig
from agent.inbound.config import RelayConfig
from agent.model import Json
from agent.sources import SourceConfig

_STORE: Final = TypeAdapter(StoreSection)
_HTTP: Final = TypeAdapter(HttpSection)
_RELAY: Final[TypeAdapter[RelayConfig]] = TypeAdapter(RelayConfig)
_DESTINATION: Final[TypeAdapter[DestinationConfig]] = TypeAdapter(DestinationConfig)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a configuration that have no errors.

    Attributes:
        named: all that are written, `source NAME` and so on, right or not.
        without_secrets: those whose secrets cannot be read from here, named the same way.
        texts: every text that is written, for the files that it names.
    """

    agent: AgentSection
    store: StoreSection
    http: HttpSection | None
    sources: Mapping[str, SourceConfig]
    destinations: Mapping[str, DestinationConfig]
    relays: Mapping[str, RelayConfig]
    named: frozenset[str]
    without_secrets: frozenset[str]
    texts: tuple[str, ...]
    zone: str


@dataclass(frozen=True, slots=True)
class Case:
    """One examination.

    Attributes:
        path: the configuration, as it was given.
        parts: see there.
        running: an agent runs with this data directory.
        hangs: it does not answer.
        held: an agent runs on this machine, be it with another configuration: the only connection of a device
            may be its own.
        told: its status, as `edge-relay status --json` prints it; empty where it tells nothing.
        connect: connect to what the agent is connected to as well.
        offline: ask nobody outside of this machine.
    """

    path: Path
    parts: Parts
    running: bool = False
    hangs: bool = False
    held: bool = False
    told: Mapping[str, Json] = field(default_factory=dict)
    connect: bool = False
    offline: bool = False


def parts_of(path: Path) -> Parts:
    """Load what can be used.

    Raises:
        ConfigError: not even who the agent is can be told.
    """
    agent = load_agent(path)
    with_secrets, bare = _Reader(path, agent, os.environ), _Reader(path, agent, NOT_NEEDED)
    usable, readable = bare.usable(), with_secrets.usable()
    return Parts(
        agent,
        bare.store,
        bare.http,
        {**bare.sources, **with_secrets.sources},
        {**bare.destinations, **with_secrets.destinations},
        {**bare.relays, **with_secrets.relays},
        frozenset(bare.named),
        frozenset(usable - readable),
        tuple(bare.texts),
        agent.zone,
    )


class _Reader:
    """Reads one configuration with one environment."""

    def __init__(self, path: Path, agent: AgentSection, environment: Mapping[str, str]) -> None:
        loading = Expanding(path, environment)
        loading.context = replace(loading.context, data_dir=agent.data_dir)
        loading.expand_sources()
        self.store = loading.section("store", _STORE) or StoreSection()
        self.http = loading.section("http", _HTTP)
        self.sources = loading.sources()
        self.destinations = loading.entries("destinations", _DESTINATION)
        self.relays = loading.entries("inbound", _RELAY)
        sections = {"source": "sources", "destination": "destinations", "relay": "inbound"}
        self.named = [f"{kind} {name}" for kind, key in sections.items() for name in loading.named(key)]
        self.texts = [*_texts(loading.document.data)]

    def usable(self) -> set[str]:
        """What has no errors, `source NAME` and so on."""
        kinds: Mapping[str, Iterable[str]] = {
            "source": self.sources,
            "destination": self.destinations,
            "relay": self.relays,
        }
        return {f"{kind} {name}" for kind, names in kinds.items() for name in names}


def _texts(written: Plain) -> list[str]:
    if isinstance(written, dict):
        return [text for each in written.values() for text in _texts(each)]
    if isinstance(written, list):
        return [text for each in written for text in _texts(each)]
    return [written] if isinstance(written, str) else []
