"""The configuration as the rest of the house sees it, and the sections that belong to no adapter.

Rules for whoever changes this file: a section whose fields only one part of the house reads lives
beside that part; here is what is the agent's own. Every field has a docstring, because editors
show it (`edge-relay schema`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from agent.config.fields import Duration, FilePath, Section
from agent.config.rules import RuleDefaults, RuleSection
from agent.destinations.config import DestinationConfig
from agent.errors import Problem
from agent.model import SECOND, Json, TagSpec
from agent.rules.spec import RuleSpec
from agent.sources import SourceConfig

_DAY: Final = 86_400 * SECOND
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([kMGT]?i?B)")
_SIZES: Final[dict[str, int]] = {
    unit + suffix: (1024 if suffix == "iB" else 1000) ** power
    for power, unit in enumerate(("", "k", "M", "G", "T"))
    for suffix in ("B", "iB")
} | {"KiB": 1024}
_LEAST_STORE: Final = 64_000_000
_LARGEST_PORT: Final = 65_535


def parse_size(value: object) -> int:
    """Read `2GB`, `500MB`, `512MiB` as bytes.

    Raises:
        ValueError: no unit, or not a size.
    """
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)) and match[2] in _SIZES:
        return round(float(match[1]) * _SIZES[match[2]])
    raise ValueError("expected a size with its unit, such as 500MB, 2GB or 512MiB")


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"unknown time zone {name!r}: expected an IANA name such as Europe/Berlin or UTC"
        ) from None
    return name


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(value: object) -> Listen:
    """Read `127.0.0.1:8470` or `[::1]:8470`; loopback only, as long as no token can be given (X6).

    Raises:
        ValueError: not an address and a port, or an address that others can reach.
    """
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _LARGEST_PORT:
        raise ValueError("expected an address and a port, such as 127.0.0.1:8470")
    host = host.removeprefix("[").removesuffix("]")
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        raise ValueError(
            f"expected an IP address before the port, got {host!r}: write 127.0.0.1:{port}"
        ) from None
    if not loopback:
        raise ValueError(
            f"{host} can be reached from other machines, and the page asks for no token yet: "
            f"listen on 127.0.0.1:{port} and put a proxy with a login before it"
        )
    return Listen(host, int(port))


class AgentSection(Section):
    """Who this agent is, and where it keeps its state."""

    site: Annotated[str, Field(min_length=1)]
    """The plant or building, as receivers know it; every event carries it."""
    name: Annotated[str, Field(min_length=1)]
    """This agent, unique within the site; every event carries it."""
    data_dir: FilePath = Path("/var/lib/edge-relay")
    """The folder of the store; a relative one is relative to the folder of the configuration."""
    zone: Annotated[str, AfterValidator(_check_zone)] = "UTC"
    """The time zone (IANA name) of times that are written without one."""


def _room_for_events(size: int) -> int:
    if size < _LEAST_STORE:
        raise ValueError("expected 64MB or more: the store keeps some of it in reserve")
    return size


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["500MB", "2GB"]}),
]


class StoreSection(Section):
    """Where events wait until they are delivered."""

    max_size: Annotated[
        Size, AfterValidator(_room_for_events), Field(json_schema_extra={"default": "2GB"})
    ] = 2_000_000_000
    """The most that the store may take on the disk, everything included."""
    keep_delivered: Duration = 7 * _DAY
    """How long delivered events are kept, to be sent again when somebody asks."""


class HttpSection(Section):
    """The page, the API and the metrics."""

    listen: Annotated[
        Listen,
        BeforeValidator(parse_listen),
        WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8470"]}),
        Field(json_schema_extra={"default": "127.0.0.1:8470"}),
    ] = Listen("127.0.0.1", 8470)
    """Address and port of the page; loopback only."""


class File(Section):
    """The whole configuration as it is written, in one file or in several of one folder."""

    agent: AgentSection
    """Who this agent is, and where it keeps its state."""
    store: StoreSection = StoreSection()
    """Where events wait until they are delivered."""
    http: HttpSection = HttpSection()
    """The page, the API and the metrics."""
    sources: dict[str, SourceConfig] = Field(default={})
    """What is read, by name: PLCs, servers, brokers, and the tags of each."""
    destinations: dict[str, DestinationConfig] = Field(default={})
    """Who is told, by name."""
    defaults: RuleDefaults = RuleDefaults()
    """What holds for every rule that does not say otherwise."""
    rules: dict[str, RuleSection] = Field(default={})
    """When an event is made, by name."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration without an error.

    Attributes:
        sources, destinations: by name.
        tags: every tag of every source.
        written_rules: the rules as they are written, to tell what a change of the file changed.
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
    warnings: tuple[Problem, ...] = ()
