"""What a receiver asks for and how it is reached, as the configuration writes it: credentials, TLS, a proxy.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded,
and not at the first alarm; keys that contradict each other are refused, none is silently ignored;
no message repeats a secret.
"""

import base64
import binascii
import re
from collections.abc import Collection
from ipaddress import ip_network
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from agent.config.fields import FilePath, Section
from agent.config.secrets import Secret
from agent.http.urls import check_proxy_url, check_url, is_plain

_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_HOSTS: Final = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_PIN: Final = re.compile(r"(?:sha256//?)?([A-Za-z0-9+/]{43}=)")
_HEX_PIN: Final = re.compile(r"[0-9a-f]{64}")


def _check_header_value(value: Secret) -> Secret:
    if not _VALUE.fullmatch(value.reveal()):
        raise ValueError("expected printable ASCII in one line, all that a header takes")
    return value


def _check_user(user: str) -> str:
    if ":" in user or not user.isprintable():
        raise ValueError("a user cannot have a colon or an invisible character in the name (RFC 7617)")
    return user


def _check_password(password: Secret) -> Secret:
    if not password.reveal().isprintable():
        raise ValueError("a password cannot have an invisible character: does the file end in two lines?")
    return password


def _check_pin(pin: str) -> str:
    digits = pin.replace(":", "").lower()
    if _HEX_PIN.fullmatch(digits):
        return written_pin(bytes.fromhex(digits))
    try:
        return written_pin(base64.b64decode(_PIN.fullmatch(pin)[1], validate=True))  # type: ignore[index]
    except (TypeError, binascii.Error):
        raise ValueError(
            "expected the SHA-256 of a public key, such as sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; "
            "the message in which a receiver is refused shows those of its keys"
        ) from None


def written_pin(digest: bytes) -> str:
    """Write the SHA-256 of a public key as a pin."""
    return f"sha256/{base64.b64encode(digest).decode()}"


def _check_exception(entry: str) -> str:
    host = entry.lower()
    try:
        return str(ip_network(host, strict=False))
    except ValueError:
        if not _HOSTS.fullmatch(host):
            raise ValueError(
                "expected a host (cmms.plant), all hosts of a domain (.plant), an address or a network (10.0.0.0/8)"
            ) from None
    return host


HeaderValue = Annotated[Secret, AfterValidator(_check_header_value)]
Password = Annotated[Secret, AfterValidator(_check_password)]
User = Annotated[str, Field(min_length=1), AfterValidator(_check_user)]


_Pins = Annotated[
    tuple[Annotated[str, AfterValidator(_check_pin)], ...],
    BeforeValidator(lambda pins: [pins] if isinstance(pins, str) else pins),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class TlsSection(Section):
    """Whom the receiver's certificate must be signed by, and who the agent is to the receiver."""

    ca: FilePath | None = None
    """PEM file of the authority that signed the receiver's certificate; without it, the system's own.
    A certificate that signs itself stands there itself."""
    certificate: FilePath | None = None
    """PEM file of the agent's certificate, with those of its issuers, where the receiver asks for one."""
    key: FilePath | None = None
    """PEM file of the key of `certificate`; not needed if it stands in the same file."""
    key_password: Secret | None = None
    """What the key is encrypted with."""
    pin: _Pins = Field((), strict=False)
    """Public keys, one of which must be that of the receiver or of an authority above it, as sha256/BASE64
    of the SubjectPublicKeyInfo: beside the usual check, never in its place. Two, to change keys."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.key and not self.certificate:
            raise ValueError("a key needs its certificate: add certificate: client.pem")
        if self.key_password and not self.certificate:
            raise ValueError("`key_password` is for the key of `certificate`: add certificate: client.pem")
        return self


class BasicAuth(Section):
    """A user and a password (RFC 7617)."""

    user: User
    """The user's name."""
    password: Password
    """The user's password."""

    def header(self) -> str:
        """The value of `Authorization`."""
        return basic(self.user, self.password.reveal())


class OAuth2(Section):
    """A token that is fetched with the agent's own credentials (RFC 6749, 4.4) and kept until it expires."""

    token_url: Annotated[str, AfterValidator(check_url)]
    """Where tokens are asked for."""
    client_id: Annotated[str, Field(min_length=1)]
    """Who the agent is there."""
    client_secret: Secret
    """What proves it."""
    scope: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")] = ""
    """What is asked for, words apart by blanks, where the token endpoint wants it."""
    audience: str = ""
    """For whom, where the token endpoint wants it (Auth0 does)."""
    client_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    """How the credentials are sent: in the Authorization header, or in the body."""
    tls: TlsSection | None = None
    """Certificates for the token endpoint; without it, those of the destination's `tls`, but for its pins."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tls is not None and is_plain(self.token_url):
            raise ValueError("`tls` has no effect on http://: write token_url: https://...")
        return self


class AuthSection(Section):
    """What the receiver asks for beside the signature: one of these."""

    bearer: HeaderValue | None = None
    """A token, sent as `Authorization: Bearer TOKEN`."""
    basic: BasicAuth | None = None
    """A user and a password."""
    oauth2: OAuth2 | None = None
    """A token that is fetched, and renewed, with the agent's own credentials."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(each is not None for each in (self.bearer, self.basic, self.oauth2)) != 1:
            raise ValueError("expected one of bearer, basic or oauth2")
        return self


class ProxySection(Section):
    """The HTTP proxy by which the receiver, and a token endpoint, is reached; never one of the environment."""

    url: Annotated[str, AfterValidator(check_proxy_url)]
    """http://HOST:PORT; what goes to https:// is tunnelled (CONNECT)."""
    user: Annotated[str, AfterValidator(_check_user)] = ""
    """The user's name, where the proxy asks for one."""
    password: Password | None = None
    """The user's password."""
    no_proxy: tuple[Annotated[str, AfterValidator(_check_exception)], ...] = Field((), strict=False)
    """What is reached without it: hosts with all that end in them (plant.local), addresses and networks
    (10.0.0.0/8) of a url that is written with an address: names are not looked up for this."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.password and not self.user:
            raise ValueError("a password needs a user: add user: NAME")
        return self


def contradiction(
    url: str, auth: AuthSection | None, headers: Collection[str], tls: TlsSection | None
) -> str:
    """Say which keys of a request contradict each other; empty: none do."""
    names = {name.lower() for name in headers}
    if auth is not None and "authorization" in names:
        return "`auth` and the header Authorization contradict each other: delete one of them"
    if "proxy-authorization" in names:
        return "Proxy-Authorization would be sent to the receiver: write proxy: {user, password}"
    if tls is not None and is_plain(url):
        return "`tls` has no effect on http://: write url: https://..., or delete it"
    return ""


def basic(user: str, password: str) -> str:
    """Write credentials as a header has them."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
