"""A webhook destination as it is written in the configuration.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded,
and not at the first alarm; no message repeats a secret, or the address, whose query may be one.
"""

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from agent.config.fields import Section
from agent.config.secrets import Secret
from agent.destinations.base import DestinationSection
from agent.destinations.webhook.addresses import forbidden
from agent.signing.config import HeaderName, Signing

_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_NUMERIC: Final = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")  # the WHATWG's URL standard, "ends in a number"


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


def _check_header_value(value: Secret) -> Secret:
    if not _VALUE.fullmatch(value.reveal()):
        raise ValueError("a header takes printable ASCII in one line only")
    return value


HeaderValue = Annotated[Secret, AfterValidator(_check_header_value)]


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
