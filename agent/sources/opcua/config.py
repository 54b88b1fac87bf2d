"""What an engineer writes about an OPC UA server; free of asyncua, so that `check` needs no protocol library.

Rules for whoever changes this file: what can be judged without the server is judged here, with the
remedy in the message; a security that protects is the default, and what protects nothing must be
written out (design: reliability, X8).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from agent.config.fields import Duration, FilePath, Section
from agent.config.secrets import Secret, SecretPlaces
from agent.model import MILLISECOND, SECOND, TagSpec
from agent.sources.base import MeasuredTag, SourceSection
from agent.sources.opcua.nodes import split_node, split_path
from agent.sources.writing import WriteSection

DEFAULT_PORT: Final = 4840  # IANA's, for opc.tcp
_STALE_READS: Final = 3  # read cyclically, a value is stale after so many periods (design: sources)
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?) ?%")
_SECURITY_CHOICES: Final = (
    "say how the connection is protected: `security: sign_and_encrypt` (then trust the server's certificate "
    "once, with `edge-relay trust SOURCE`) or `security: none` (anyone on the network can read and alter "
    "the values)"
)


def _node(text: str) -> str:
    split_node(text)
    return text


def _path(text: str) -> str:
    split_path(text)
    return text


def _deadband(value: object) -> object:
    """Check a number, or a percentage of the range."""
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)) is not None:
        if not 0 < float(match[1]) < 100:  # noqa: PLR2004 - percent
            raise ValueError(f"expected a deadband between 0% and 100%, got {value}")
    elif isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(
            "expected a deadband: a number in the tag's unit, such as 0.5, or of its range, such as 1%"
        )
    return value


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


def _spelled_out(value: object) -> object:
    """Read `security: none` as `security: {mode: none}`."""
    if value is None:
        raise ValueError(_SECURITY_CHOICES)
    return {"mode": value} if isinstance(value, str) else value


def _in_data_dir(value: object, info: ValidationInfo) -> object:
    """Let the certificates lie beside the store, unless another folder is written."""
    if value is not None:
        return value
    places = info.context if isinstance(info.context, SecretPlaces) else SecretPlaces()
    return (
        places.data_dir / "pki"
    ).absolute()  # it is no path relative to the configuration's folder any more


class OpcUaTag(MeasuredTag):
    """One variable of the server."""

    node: Annotated[str, AfterValidator(_node)] | None = None
    """The node id: `nsu=URI;s=NAME`, or `ns=2;s=NAME` where the server's namespaces never move."""
    browse_path: Annotated[str, AfterValidator(_path)] | None = None
    """Or the path on which the server shows it, such as `Objects/Boiler/Steam`; looked up at each connect."""
    index: Annotated[int, Field(ge=0)] | None = None
    """Of an array: the element, from 0."""
    deadband: (
        Annotated[
            float | str,
            BeforeValidator(_deadband),
            WithJsonSchema(
                {
                    "anyOf": [
                        {"type": "number", "exclusiveMinimum": 0},
                        {"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"},
                    ]
                }
            ),
        ]
        | None
    ) = None
    """The server need not send a change of less: `0.5` in the tag's unit, or `1%` of its range."""
    write: WriteSection | None = None
    """What a signed message may write to it: `{min: 0, max: 80, when: remote_enabled}`, `{}` for true and false."""

    @model_validator(mode="after")
    def _is_named_once(self) -> Self:
        if (self.node is None) == (self.browse_path is None):
            raise ValueError(
                "name the variable by one of `node: nsu=urn:plant:boiler;s=Steam.Pressure` and "
                "`browse_path: Objects/Boiler/Steam`"
            )
        if isinstance(self.deadband, str) and self.range is None:
            raise ValueError(
                f"a deadband of {self.deadband} needs a range: [low, high], of which it is a part"
            )
        return self

    @model_validator(mode="after")
    def _is_one_that_can_be_written(self) -> Self:
        """Refuse what could not be written, or not be believed when it is read back."""
        if self.write is None:
            return self
        if self.index is not None:
            raise ValueError(
                "an element of an array cannot be written, for some servers would write the whole array: name the "
                'node of the element, where the server has one, such as ns=3;s="DB"."a"[3], instead of `index`'
            )
        low, high = self.write.min, self.write.max
        if low is None or high is None:
            return self
        if (code := next((each for each in self.invalid if low <= each <= high), None)) is not None:
            raise ValueError(
                f"{code:g} might be written, by which the device says that it has no value (`invalid`): write a min "
                "and max that leave it out"
            )
        if self.valid_range is not None and not self.valid_range[0] <= low < high <= self.valid_range[1]:
            raise ValueError(
                "what is written must be believed when it is read back: write a min and max within valid_range "
                f"[{self.valid_range[0]:g}, {self.valid_range[1]:g}]"
            )
        return self

    @property
    def place(self) -> str:
        """Where it stands, for a person."""
        element = "" if self.index is None else f"[{self.index}]"
        return f"{self.node or self.browse_path}{element}"

    @property
    def least_change(self) -> float | None:
        """The deadband in the tag's unit; None: every change counts."""
        if not isinstance(self.deadband, str):
            return self.deadband
        low, high = self.range or (0.0, 0.0)
        return float(self.deadband.rstrip("% ")) / 100 * (high - low)


class OpcUaSecurity(Section):
    """How the connection is protected."""

    mode: Literal["none", "sign", "sign_and_encrypt"] = "sign_and_encrypt"
    """Whether messages are signed, and encrypted."""
    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] = "Basic256Sha256"
    """The cryptography; the server must offer it."""
    server_certificate: FilePath | None = None
    """The server's certificate (DER or PEM), and no other; none: one that was trusted by `edge-relay trust`."""
    pki: Annotated[FilePath, BeforeValidator(_in_data_dir)] = Field(
        default_factory=lambda: None,
        validate_default=True,  # _in_data_dir fills it in
    )
    """Folder of certificates: this agent's `own/`, servers `trusted/` and `rejected/`, `issuers/`; default: DATA_DIR/pki."""
    insecure_password: bool = False
    """Send the password even where anyone on the network can read it."""


class OpcUaSource(SourceSection):
    """One OPC UA server."""

    type: Literal["opcua"]
    """The protocol."""
    url: Annotated[str, AfterValidator(_url)]
    """`opc.tcp://HOST:PORT`, port 4840 if none is written."""
    security: Annotated[
        OpcUaSecurity,
        BeforeValidator(
            _spelled_out, json_schema_input_type=Literal["none", "sign", "sign_and_encrypt"] | OpcUaSecurity
        ),
    ] = Field(default_factory=lambda: None, validate_default=True)
    """`none`, `sign`, `sign_and_encrypt`, or all of how the connection is protected."""
    user: str | None = Field(default=None, min_length=1)
    """User name; without it and without `user_certificate`: anonymous."""
    password: Secret | None = None
    """The user's password."""
    user_certificate: FilePath | None = None
    """Or the user's certificate (DER or PEM)."""
    user_key: FilePath | None = None
    """The key of the user's certificate (PEM, RSA, not encrypted, readable by the agent alone)."""
    read: Literal["subscribe", "cyclic"] = "subscribe"
    """cyclic: read every `sample_every`, for a server whose subscriptions do not work."""
    sample_every: Annotated[Duration, Field(gt=0)] = 500 * MILLISECOND
    """How often the server looks at a variable, or the agent reads it."""
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
            raise ValueError("a password needs a user: add user: NAME")
        if self.security.mode == "none" and not self.security.insecure_password:
            raise ValueError(
                "security none would show the password to anyone on the network: protect the connection "
                "(`security: sign_and_encrypt`), or accept that with "
                "`security: {mode: none, insecure_password: true}`"
            )
        return self

    @model_validator(mode="after")
    def _has_one_user(self) -> Self:
        if (self.user_certificate is None) != (self.user_key is None):
            raise ValueError("user_certificate and user_key belong together: name both files")
        if self.user_certificate is None:
            return self
        if self.user is not None:
            raise ValueError("write either user and password, or user_certificate and user_key")
        if self.security.mode == "none":
            raise ValueError("a user certificate needs a protected connection: `security: sign_and_encrypt`")
        return self

    @model_validator(mode="after")
    def _writes_a_variable_under_one_name(self) -> Self:
        known: dict[str, str] = {}
        for name in self.writes():
            place = self.tags[name].node or self.tags[name].browse_path or ""
            if (other := known.setdefault(place, name)) != name:
                raise ValueError(
                    f"tags {other} and {name} are both written to {place}, so the limits of one would not hold for "
                    "the other: leave `write` at one of them"
                )
        return self

    @property
    def least_queue(self) -> int:
        """Values that the server samples of one variable between two publishes."""
        return -(-self.publish_every // self.sample_every)

    @property
    def server_queue(self) -> int:
        """Values that the server is asked to keep of one variable between two publishes."""
        return self.queue_size or max(10, 2 * self.least_queue)

    def writes(self) -> Mapping[str, WriteSection]:
        """See `SourceSection.writes`."""
        return {name: tag.write for name, tag in self.tags.items() if tag.write is not None}

    def tag_specs(self, source: str) -> list[TagSpec]:
        """See `SourceSection.tag_specs`; subscribed without `stale_after`: fresh while the keep-alives arrive.

        A value that moves all the time arrives as often as the slower of sampling and publishing.
        """
        cyclic = self.read == "cyclic"
        fresh = _STALE_READS * self.sample_every if cyclic and self.stale_after is None else self.stale_after
        return [
            TagSpec(
                name,
                source,
                unit=tag.unit,
                range=tag.range,
                stale_after=fresh if tag.stale_after is None else tag.stale_after,
                reach=tag.valid_range,
                every=self.sample_every if cyclic else max(self.sample_every, self.publish_every),
            )
            for name, tag in self.tags.items()
        ]
