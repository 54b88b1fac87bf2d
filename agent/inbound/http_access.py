"""How a relay that is asked by HTTP is reached, as the configuration writes it; of `poll` and of `sse`.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded; no
message repeats a token, or the address, whose query may be one.
"""

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from agent.http.access import HeaderValue, ProxySection, TlsSection
from agent.http.proxy import way_to
from agent.http.urls import is_loopback, is_plain
from agent.inbound.base import RelaySection


class HttpRelaySection(RelaySection):
    """A relay with an address, a token and a way to it."""

    if TYPE_CHECKING:  # each kind has its own, and says what it is; no field here, where it would come first
        url: str

    token: HeaderValue | None = None
    """What the relay asks for, if anything, as a bearer token: ${file:...}."""
    insecure_token: bool = False
    """Send the token although anyone on the network can read it (http:// to another machine)."""
    tls: TlsSection | None = None
    """Certificates for https://, where those of the system are not enough."""
    proxy: ProxySection | None = None
    """The HTTP proxy by which the relay is reached."""

    @model_validator(mode="after")
    def _nothing_is_shown(self) -> Self:
        plain = is_plain(self.url)
        within = is_loopback(self.url) and way_to(self.url, self.proxy).proxy is None
        if self.token and plain and not within and not self.insecure_token:
            raise ValueError(
                "http:// shows the token to anyone on the network: use https://, "
                "or accept that with insecure_token: true"
            )
        if self.tls is not None and plain:
            raise ValueError("`tls` has no effect on http://: write url: https://..., or delete it")
        return self
