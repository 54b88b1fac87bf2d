"""The relay's configuration as it is written: where it listens, its channels, their tokens and bounds.

Rules for whoever changes this: a token is never in a message, and each side of a channel has its own: who
may post must not be able to read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from agent.config.fields import Duration, FilePath, Section, Size
from agent.config.listening import Listen, parse_address, parse_loopback
from agent.config.served import ServerTls, Token
from agent.errors import Problem
from agent.inbound.base import LARGEST_BODY
from agent.model import SECOND

CHANNEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a channel may be called: it stands in addresses."""
DATA_DIR: Final = Path("/var/lib/edge-relay-relay")
DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8471)
_MONITOR: Final = Listen("127.0.0.1", 8472)
_DAY: Final = 86_400 * SECOND


def _kind(value: object) -> str:
    return "none" if value == "none" else "secret"


PostToken = Annotated[
    Annotated[Token, Tag("secret")] | Annotated[Literal["none"], Tag("none")], Discriminator(_kind)
]


def _listen_schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example]})


class RelaySection(Section):
    """Where the relay listens and keeps what it took."""

    listen: Annotated[Listen, BeforeValidator(parse_address), _listen_schema("0.0.0.0:8471")] = DEFAULT_LISTEN
    """Address and port for senders and plants; beyond loopback with `tls` or `behind_proxy` only."""
    behind_proxy: bool = False
    """true: whoever reaches `listen` is a proxy of ours that speaks TLS to the world."""
    tls: ServerTls | None = None
    """The relay's own certificate, where no proxy stands before it."""
    data_dir: FilePath = DATA_DIR
    """The folder of the messages; a relative one is relative to the folder of this file."""
    max_size: Annotated[Size, Field(ge=10_000_000)] = 1_000_000_000
    """How much room all messages may take on disk; then what plants have taken goes, and senders are asked to wait."""
    monitor: Annotated[Listen, BeforeValidator(parse_loopback), _listen_schema("127.0.0.1:8472")] = _MONITOR
    """Address and port of /health and /metrics; loopback only."""


class RateSection(Section):
    """How fast a channel takes messages; as many may come at once."""

    messages: Annotated[int, Field(ge=1)]
    """How many."""
    per: Annotated[Duration, Field(gt=0)] = SECOND
    """In which time."""


class ChannelSection(Section):
    """One channel: one plant, or one purpose."""

    post_token: PostToken
    """What senders show: ${file:...}; none: anyone may post."""
    poll_token: Token
    """What the plant shows, as a bearer token: ${file:...}."""
    previous_post_tokens: tuple[Token, ...] = Field((), strict=False)
    """Tokens that senders may still have, while the token is changed: each is good too."""
    previous_poll_tokens: tuple[Token, ...] = Field((), strict=False)
    """Tokens that the plant may still have, while the token is changed: each is good too."""
    max_body: Annotated[Size, Field(le=LARGEST_BODY)] = 1_000_000
    """How large a message may be."""
    rate: RateSection = RateSection(messages=100)
    """How fast it takes messages: {messages: 100, per: 1s}."""
    keep: Annotated[Duration, Field(gt=0)] = 30 * _DAY
    """How long a message is kept, whether the plant has taken it or not."""
    max_size: Annotated[Size, Field(ge=100_000)] = 200_000_000
    """How much it may keep; then what the plant has taken goes, and senders are asked to wait."""


class RelayFile(Section):
    """The relay's whole configuration."""

    relay: RelaySection = RelaySection()
    """Where it listens and keeps what it took."""
    channels: dict[str, ChannelSection] = Field(default={})
    """Channels by name: letters, digits, `_` and `-`."""


@dataclass(frozen=True, slots=True)
class RelayConfiguration:
    """A configuration without an error; `warnings`: what works, but is hardly meant so."""

    relay: RelaySection
    channels: Mapping[str, ChannelSection]
    warnings: tuple[Problem, ...] = ()

    def summary(self) -> str:
        """What is in it, for a person."""
        count = len(self.channels)
        return f"{count} channel{'' if count == 1 else 's'} on {self.relay.listen}"
