"""What an engineer writes about an OPC UA server; free of asyncua, so that `check` needs no protocol library.

Rules for whoever changes this file: what can be judged without the server is judged here, with the
remedy in the message; a security that protects is the default, and what protects nothing must be
written out (design: reliability, X8).
"""

import base64
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote, urlsplit
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from agent.config.fields import Duration, Section
from agent.config.secrets import Secret, SecretPlaces
from agent.model import MILLISECOND, SECOND, TagSpec
from agent.sources.base import SourceSection, TagSection

DEFAULT_PORT: Final = 4840  # IANA's, for opc.tcp
_LARGEST_NUMERIC: Final = 2**32 - 1  # a numeric identifier is a UInt32 (OPC 10000-6, 5.2.2.9)
_NODE: Final = re.compile(r"(?:nsu=([^;]+);|ns=(\d+);)?([isgb])=(.+)", re.DOTALL)
_NODE_FORMS: Final = (
    "expected a node id: nsu=urn:plant:boiler;s=Steam.Pressure (it survives a restart of the server), "
    "ns=2;s=Steam.Pressure, or i=2258"
)
_SECURITY_CHOICES: Final = (
    "say how the connection is protected: `security: {server_certificate: boiler.der}` "
    "(signed and encrypted, the server known by its certificate) or `security: none` (anyone on the "
    "network can read and alter the values)"
)


def split_node(text: str) -> tuple[str | int, str]:
    """Split a node id into its namespace (URI or index) and the rest, such as `s=Steam.Pressure`.

    A URI's `%3B` and `%25` stand for `;` and `%` (OPC 10000-6, 5.1.12).

    Raises:
        ValueError: not a node id.
    """
    if (match := _NODE.fullmatch(text)) is None:
        raise ValueError(f"{_NODE_FORMS}; got {text!r}")
    uri, index, kind, identifier = match.groups()
    if not _identifies(kind, identifier):
        raise ValueError(f"{_NODE_FORMS}; {identifier!r} is not what follows {kind}=")
    return unquote(uri) if uri else int(index or 0), f"{kind}={identifier}"


def _identifies(kind: str, identifier: str) -> bool:
    try:
        match kind:
            case "i":
                return 0 <= int(identifier) <= _LARGEST_NUMERIC
            case "g":
                UUID(identifier)
            case "b":
                base64.b64decode(identifier, validate=True)
    except ValueError:
        return False
    return True


def _node(text: str) -> str:
    split_node(text)
    return text


def _url(text: str) -> str:
    """Check the address, and write out its port."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # what the resolver will do, raising UnicodeError where nobody expects it
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme != "opc.tcp" or not host:
        raise ValueError(f"expected opc.tcp://HOST:PORT, got {text!r}")
    if "@" in parts.netloc:
        raise ValueError("no user or password in the url: write them as user: and password:")
    shown = f"[{host}]" if ":" in host else host
    return parts._replace(netloc=f"{shown}:{port or DEFAULT_PORT}").geturl()


def _beside_configuration(value: object, info: ValidationInfo) -> object:
    """Take a relative path as relative to the configuration's folder."""
    if not isinstance(value, str):
        return value
    return (info.context.folder if isinstance(info.context, SecretPlaces) else Path()) / value


def _spelled_out(value: object) -> object:
    """Read `security: none` as `security: {mode: none}`."""
    if value is None:
        raise ValueError(_SECURITY_CHOICES)
    return {"mode": value} if isinstance(value, str) else value


File = Annotated[Path, BeforeValidator(_beside_configuration)]


class OpcUaTag(TagSection):
    """One variable of the server."""

    node: Annotated[str, AfterValidator(_node)]
    """The node id: `nsu=URI;s=NAME`, or `ns=2;s=NAME` where the server's namespaces never move."""


class OpcUaSecurity(Section):
    """How the connection is protected."""

    mode: Literal["none", "sign", "sign_and_encrypt"] = "sign_and_encrypt"
    """Whether messages are signed, and encrypted."""
    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] = "Basic256Sha256"
    """The cryptography; the server must offer it."""
    server_certificate: File | None = None
    """The server's certificate (DER or PEM): the only one that this source talks to."""
    pki: File = Path("/var/lib/edge-relay/pki")
    """Folder of this agent's own certificate and key (`own/`), made there on first use."""
    insecure_password: bool = False
    """Send the password even where anyone on the network can read it."""

    @model_validator(mode="after")
    def _knows_the_server(self) -> Self:
        if self.mode != "none" and self.server_certificate is None:
            raise ValueError(
                f"mode {self.mode} needs server_certificate: export the server's certificate (DER or PEM) "
                "with its configuration tool and name the file here"
            )
        return self


class OpcUaSource(SourceSection):
    """One OPC UA server."""

    type: Literal["opcua"]
    """The protocol."""
    url: Annotated[str, AfterValidator(_url)]
    """`opc.tcp://HOST:PORT`, port 4840 if none is written."""
    security: Annotated[
        OpcUaSecurity,
        BeforeValidator(_spelled_out, json_schema_input_type=Literal["none"] | OpcUaSecurity),
    ] = Field(default_factory=lambda: None, validate_default=True)
    """`none`, or how the connection is protected."""
    user: str | None = Field(default=None, min_length=1)
    """User name; none: anonymous."""
    password: Secret | None = None
    """The user's password."""
    sample_every: Annotated[Duration, Field(gt=0)] = 500 * MILLISECOND
    """How often the server looks at a variable."""
    publish_every: Annotated[Duration, Field(gt=0)] = 500 * MILLISECOND
    """How often the server sends what changed."""
    queue_size: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Values the server keeps of one variable between two sendings; none: twice what it samples, at least 10."""
    timeout: Annotated[Duration, Field(gt=0)] = 5 * SECOND
    """How long one answer of the server may take."""
    tags: Annotated[dict[str, OpcUaTag], Field(min_length=1)]
    """The variables to read, by tag name."""

    @model_validator(mode="after")
    def _keeps_the_password(self) -> Self:
        if self.password is None:
            return self
        if self.user is None:
            raise ValueError("a password needs a user")
        if self.security.mode == "none" and not self.security.insecure_password:
            raise ValueError(
                "security none would show the password to anyone on the network: protect the connection "
                "(`security: {server_certificate: FILE}`), or accept that with "
                "`security: {mode: none, insecure_password: true}`"
            )
        return self

    @property
    def server_queue(self) -> int:
        """Values that the server is asked to keep of one variable between two publishes."""
        return self.queue_size or max(10, 2 * -(-self.publish_every // self.sample_every))

    def tag_specs(self, source: str) -> list[TagSpec]:
        """See `SourceSection.tag_specs`; without `stale_after`: fresh while the keep-alives arrive.

        A value that moves all the time arrives as often as the slower of sampling and publishing.
        """
        return [
            TagSpec(
                name,
                source,
                unit=tag.unit,
                range=tag.range,
                stale_after=self.stale_after if tag.stale_after is None else tag.stale_after,
                every=max(self.sample_every, self.publish_every),
            )
            for name, tag in self.tags.items()
        ]
