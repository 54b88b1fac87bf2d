"""What a plant engineer writes about an MQTT broker, whatever is read from it or sent to it.

Rules for whoever changes this file: nothing of paho is imported here (the configuration is read by
commands that connect to nothing); what cannot work is refused here, with the remedy, rather than
when the broker is met.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from agent.config.fields import Duration, Section
from agent.config.secrets import Secret, SecretPlaces
from agent.model import SECOND
from agent.server_url import ServerUrl, UrlForm, parse_server_url

_FORM: Final = UrlForm(
    {"mqtt": 1883, "mqtts": 8883},
    "mqtts",
    "expected mqtt://HOST, mqtt://HOST:PORT or, with TLS, mqtts://HOST:PORT",
    "url",
    "a topic does not belong into the url",
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
LONGEST_NAME: Final = 65_535  # bytes of a topic or client id on the wire: MQTT 3.1.1, section 1.5.3
_SHORTEST_KEEPALIVE: Final = 5 * SECOND
_LONGEST_KEEPALIVE: Final = 600 * SECOND


def parse_broker_url(value: object) -> ServerUrl:
    """Read `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`.

    Raises:
        ValueError: anything else.
    """
    return parse_server_url(value, _FORM)


def _protocol(value: object) -> object:
    return str(value) if type(value) is int else value  # an unquoted 5 is a number in YAML


def _client_id(client_id: str) -> str:
    if "\0" in client_id or len(client_id.encode()) > LONGEST_NAME:
        raise ValueError("expected a client id such as edge-relay-line4")
    return client_id


ClientId = Annotated[str, AfterValidator(_client_id)]


def _keepalive(nanoseconds: int) -> int:
    if not _SHORTEST_KEEPALIVE <= nanoseconds <= _LONGEST_KEEPALIVE:
        raise ValueError("expected 5s to 10m: a dead link is noticed at most 5 s after it")
    return nanoseconds


def _timeout(nanoseconds: int) -> int:
    if not SECOND <= nanoseconds <= 60 * SECOND:
        raise ValueError("expected 1s to 60s")
    return nanoseconds


def _beside_configuration(value: object, info: ValidationInfo) -> object:
    """Take a relative path as relative to the configuration's folder."""
    if not isinstance(value, str):
        return value
    return (info.context.folder if isinstance(info.context, SecretPlaces) else Path()) / value


_File = Annotated[Path, BeforeValidator(_beside_configuration)]


class MqttTls(Section):
    """Which certificates prove the broker to the agent, and the agent to the broker."""

    ca: _File | None = None
    """PEM file of the authority that signed the broker's certificate; without it, the system's own."""
    certificate: _File | None = None
    """PEM file of the agent's certificate, where the broker asks for one."""
    key: _File | None = None
    """PEM file of the key of `certificate`, unencrypted; not needed if it stands in the same file."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> Self:
        if self.key and not self.certificate:
            raise ValueError("a key needs its certificate: add certificate: client.pem")
        return self


class BrokerSection(Section):
    """Where a broker is, and who the agent is there; sources and destinations add what is theirs."""

    url: Annotated[
        ServerUrl,
        PlainValidator(parse_broker_url),
        WithJsonSchema(
            {"type": "string", "pattern": "^mqtts?://", "examples": ["mqtts://broker.plant:8883"]}
        ),
    ]
    """mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS; the ports default to 1883 and 8883."""
    protocol: Annotated[Literal["3.1.1", "5"], BeforeValidator(_protocol)] = "3.1.1"
    """MQTT version; every broker speaks 3.1.1, and 5 gives clearer reasons when something is refused."""
    client_id: ClientId = ""
    """The agent's name at the broker, unique there."""
    user: str = ""
    """User name at the broker."""
    password: Secret | None = None
    """Password at the broker: ${env:NAME}, ${file:PATH} or ${credential:NAME}."""
    insecure_password: bool = False
    """Send the password although anyone on the network can read it (mqtt:// to another machine)."""
    tls: MqttTls | None = None
    """Certificates for mqtts://."""
    keepalive: Annotated[Duration, AfterValidator(_keepalive)] = 10 * SECOND
    """How long the line may be silent before it is tested; a dead one is noticed 5 s later."""
    timeout: Annotated[Duration, AfterValidator(_timeout)] = 10 * SECOND
    """How long to wait for a connection, and for each answer of the broker while it is set up."""

    @property
    def session_kept(self) -> bool:
        """Whether the broker is to remember this client while it is away."""
        return False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.password and not self.user:
            raise ValueError("a password needs a user: add user: NAME")
        if self.password and not (self.url.tls or self.url.host in _LOOPBACK or self.insecure_password):
            raise ValueError(
                "mqtt:// shows the password to anyone on the network: use mqtts://, "
                "or accept that with insecure_password: true"
            )
        if self.tls and not self.url.tls:
            raise ValueError("tls: has no effect on mqtt://: write url: mqtts://HOST:8883")
        return self
