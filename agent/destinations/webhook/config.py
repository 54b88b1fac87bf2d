"""A webhook destination as it is written in the configuration.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded,
and not at the first alarm; no message repeats a secret, or the address, whose query may be one.
"""

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag

from agent.config.fields import Section
from agent.config.secrets import Secret
from agent.delivery.signing import decode_secret
from agent.destinations.base import DestinationSection
from agent.destinations.webhook.addresses import forbidden

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_NUMERIC: Final = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")  # the WHATWG's URL standard, "ends in a number"
# Ours to set: the signature covers the first three, the framing the others.
_OURS: Final = frozenset(
    {"webhook-id", "webhook-timestamp", "webhook-signature", "content-length", "transfer-encoding"}
    | {"connection", "host", "accept-encoding"}
)


def _check_url(url: str) -> str:
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an address such as https://example.com/hooks/plant")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no user or password in the address, where logs would show it: write `auth`")
    if parts.fragment:
        raise ValueError("an address with `#` is for browsers: leave that part out")
    try:
        parts.hostname.encode("idna")  # what the resolver does with it
    except UnicodeError:
        raise ValueError("no host can be called so: two dots in a row, or a part that is too long?") from None
    if why := _refused(parts.hostname):
        raise ValueError(why)
    return url


def _refused(host: str) -> str:
    """Why nothing is sent to a host; empty if something may be. A name's address is looked at when connected to."""
    try:
        return forbidden(ip_address(host))
    except ValueError:
        # The resolver reads 10.0.8 as 10.0.0.8, and 2852039166 as a metadata service.
        return "an address in numbers has four of them, up to 255" if _NUMERIC.fullmatch(host) else ""


def _split(url: str) -> SplitResult:
    """Take an address apart.

    Raises:
        ValueError: it is none.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("a blank or an invisible character stands in the address")
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
    except ValueError:
        raise ValueError("not an address: check the host and the port") from None
    return parts


def _check_header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f'"{name}" is no name of a header')
    if name.lower() in _OURS:
        raise ValueError(f"`{name}` is set by the agent itself: leave it out")
    return name


def _check_header_value(value: Secret) -> Secret:
    if not _VALUE.fullmatch(value.reveal()):
        raise ValueError("a header takes printable ASCII in one line only")
    return value


def _check_secret(secret: Secret) -> Secret:
    decode_secret(secret.reveal())
    return secret


HeaderName = Annotated[str, AfterValidator(_check_header_name)]
HeaderValue = Annotated[Secret, AfterValidator(_check_header_value)]
WebhookSecret = Annotated[Secret, AfterValidator(_check_secret)]


class StandardSigning(Section):
    """Standard Webhooks 1.0.0: HMAC-SHA256 over id, timestamp and body."""

    scheme: Literal["standard"] = "standard"
    secret: WebhookSecret
    """The secret shared with the receiver: whsec_ and base64, as `edge-relay keygen` makes it."""
    previous_secrets: tuple[WebhookSecret, ...] = Field((), strict=False)
    """Secrets that the receiver may still have, while the secret is changed: each signs too."""


class HexSigning(Section):
    """HMAC-SHA256 over the body, hexadecimal: what GitHub's receivers and many own ones expect."""

    scheme: Literal["hex"]
    secret: Secret
    """The secret shared with the receiver, used as it is written."""
    header: HeaderName = "X-Signature"
    """The header that carries the signature."""
    prefix: Annotated[str, Field(pattern=r"^[\x21-\x7e]*$")] = ""
    """What stands before it: sha256= for GitHub's receivers."""


def _scheme(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("scheme", "standard"))
    return str(getattr(value, "scheme", value))


Signing: TypeAlias = Annotated[
    Annotated[StandardSigning, Tag("standard")]
    | Annotated[HexSigning, Tag("hex")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(
        _scheme,
        custom_error_type="signing_scheme",
        custom_error_message="expected {secret: ...}, with `scheme` standard or hex, or the word none",
    ),
]


class BearerAuth(Section):
    """A token that the receiver asks for."""

    bearer: HeaderValue
    """Sent as `Authorization: Bearer TOKEN`."""


class WebhookDestination(DestinationSection):
    """A receiver that is sent a signed POST for each event."""

    type: Literal["webhook"] = "webhook"
    url: Annotated[str, AfterValidator(_check_url)]
    """Where the events are sent, https:// or, within the plant, http://."""
    signing: Signing
    """How the receiver knows that an event is ours: {secret: ...}; `none` if it cannot check."""
    auth: BearerAuth | None = None
    """What the receiver asks for beside the signature."""
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    """Further headers, the same with every event."""

    @property
    def plain_http(self) -> bool:
        """See the base."""
        return urlsplit(self.url).scheme == "http"  # it may be written HTTP:
