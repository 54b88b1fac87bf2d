"""What a plant engineer writes about the servers of a NATS cluster, whatever is sent there or taken from there.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded,
and not at the first message; keys that contradict each other are refused; no message repeats a secret.
"""

import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from agent.codec.nkeys import credentials, user_key
from agent.config.fields import FilePath, Section
from agent.config.secrets import NOT_NEEDED, Secret, SecretPlaces
from agent.server_url import ServerUrl, UrlForm, parse_server_url

_FORM: Final = UrlForm(
    {"nats": 4222, "tls": 4222},
    "tls",
    "expected nats://HOST, nats://HOST:4222 or, with TLS, tls://HOST:4222",
    "address",
    "the subject has a key of its own",
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_STREAM: Final = re.compile(r"[^\s.*>/\\\x00-\x1f\x7f]{1,255}")
_INBOX: Final = re.compile(r"[^\s.*>$\x00-\x1f\x7f]+(\.[^\s.*>\x00-\x1f\x7f]+)*")
_LONGEST_INBOX: Final = 200


def parse_server(value: object) -> ServerUrl:
    """Read `nats://HOST[:PORT]` or `tls://HOST[:PORT]`.

    Raises:
        ValueError: anything else.
    """
    return parse_server_url(value, _FORM)


def _check_stream(stream: str) -> str:
    if not _STREAM.fullmatch(stream):
        raise ValueError("expected the name of a stream, such as PLANT: no blank, no point, no wildcard")
    return stream


def _check_inbox(prefix: str) -> str:
    if not _INBOX.fullmatch(prefix) or len(prefix) > _LONGEST_INBOX:
        raise ValueError("expected the beginning of a subject, such as _INBOX_line4: no blank, no wildcard")
    return prefix


def _check_nkey(secret: Secret, info: ValidationInfo) -> Secret:
    if _is_needed(info):
        user_key(secret.reveal())
    return secret


def _check_credentials(secret: Secret, info: ValidationInfo) -> Secret:
    if _is_needed(info):
        credentials(secret.reveal())
    return secret


def _is_needed(info: ValidationInfo) -> bool:
    """Whether the secrets are there; whoever only looks at the rules has none."""
    return not (isinstance(info.context, SecretPlaces) and info.context.environment is NOT_NEEDED)


Server = Annotated[
    ServerUrl,
    PlainValidator(parse_server),
    WithJsonSchema({"type": "string", "pattern": "^(nats|tls)://", "examples": ["tls://nats-1.plant:4222"]}),
]
StreamName = Annotated[str, AfterValidator(_check_stream)]


class NatsTls(Section):
    """Which certificates prove the servers to the agent, and the agent to the servers."""

    ca: FilePath | None = None
    """PEM file of the authority that signed the servers' certificates; without it, the system's own."""
    certificate: FilePath | None = None
    """PEM file of the agent's certificate, where the servers ask for one."""
    key: FilePath | None = None
    """PEM file of the key of `certificate`, unencrypted; not needed if it stands in the same file."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> Self:
        if self.key and not self.certificate:
            raise ValueError("a key needs its certificate: add certificate: client.pem")
        return self


class NatsSection(Section):
    """Where a cluster is, and who the agent is there; destinations and relays add what is theirs."""

    servers: Annotated[tuple[Server, ...], Field(strict=False, min_length=1, max_length=20)]
    """Servers of one cluster: nats://HOST:4222 or, with TLS, tls://HOST:4222; another one takes over when one is lost."""
    user: str = ""
    """User name at the servers."""
    password: Secret | None = None
    """Password of the user: ${env:NAME}, ${file:PATH} or ${credential:NAME}."""
    token: Secret | None = None
    """A token in the place of user and password."""
    nkey: Annotated[Secret, AfterValidator(_check_nkey)] | None = None
    """Seed of the user's NKEY: ${file:PATH} of a file that begins with SU."""
    credentials: Annotated[Secret, AfterValidator(_check_credentials)] | None = None
    """What a credentials file of `nsc` holds: ${file:/etc/edge-relay/agent.creds}."""
    insecure_password: bool = False
    """Send password or token although anyone on the network can read it (nats:// to another machine)."""
    tls: NatsTls | None = None
    """Certificates for tls://."""
    inbox_prefix: Annotated[str, AfterValidator(_check_inbox)] = "_INBOX"
    """Where answers come back: an account that lets its users read only their own inboxes names it."""

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        ways = {
            "user": bool(self.user),
            "token": self.token is not None,
            "nkey": self.nkey is not None,
            "credentials": self.credentials is not None,
        }
        given = [f"`{name}`" for name, is_given in ways.items() if is_given]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are different ways to log in: write one of them")
        if bool(self.user) != (self.password is not None):
            raise ValueError("`user` and `password` belong together: write both")
        return self

    @model_validator(mode="after")
    def _nothing_is_shown(self) -> Self:
        plain = [each for each in self.servers if not each.tls and each.host not in _LOOPBACK]
        if (self.password or self.token) and plain and not self.insecure_password:
            raise ValueError(
                "nats:// shows the password to anyone on the network: use tls://, an nkey or credentials, "
                "or accept that with insecure_password: true"
            )
        if self.tls and not any(each.tls for each in self.servers):
            raise ValueError("`tls` has no effect on nats://: write servers: [tls://HOST:4222]")
        return self
