"""A webhook destination as it is written in the configuration.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded,
and not at the first alarm; keys that contradict each other are refused, none is silently ignored; no
message repeats a secret, or the address, whose query may be one.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, WrapValidator, model_validator

from agent.destinations.base import BatchSection, DestinationSection
from agent.http.access import AuthSection, HeaderValue, ProxySection, TlsSection, contradiction
from agent.http.urls import is_plain, read_url
from agent.signing.config import HeaderName, Signing


class WebhookDestination(DestinationSection):
    """A receiver that is sent a signed request for each event."""

    type: Literal["webhook"] = "webhook"
    url: Annotated[str, WrapValidator(read_url)]
    """Where the events are sent, https:// or, within the plant, http://; it may hold a ${file:...}, for a chat room's is a secret."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """The request's method."""
    signing: Signing
    """How the receiver knows that an event is ours: {secret: ...}; `none` if it cannot check."""
    auth: AuthSection | None = None
    """What the receiver asks for beside the signature: {bearer: TOKEN}, {basic: {user, password}} or {oauth2: ...}."""
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    """Further headers, the same with every event."""
    tls: TlsSection | None = None
    """Certificates for https://, where those of the system are not enough."""
    proxy: ProxySection | None = None
    """The HTTP proxy by which the receiver is reached."""
    batch: BatchSection | None = None
    """Several events in one request, {max_events: 100, max_wait: 1s}; only where the receiver agreed to it."""
    compress: Literal["gzip", "none"] = "none"
    """gzip: the body is sent compressed, only where the receiver agreed to it; signed is what it unpacks."""

    @property
    def plain_http(self) -> bool:
        """See the base."""
        return is_plain(self.url)

    @property
    def batching(self) -> BatchSection | None:
        """See the base."""
        return self.batch

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if wrong := contradiction(self.url, self.auth, self.headers, self.tls):
            raise ValueError(wrong)
        if "content-encoding" in {name.lower() for name in self.headers}:
            raise ValueError("Content-Encoding is set by the agent itself: write compress: gzip")
        return self
