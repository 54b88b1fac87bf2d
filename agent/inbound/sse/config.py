"""A channel of server-sent events, as the configuration writes it; free of heavy imports."""

from typing import Annotated, Literal

from pydantic import Field, WrapValidator

from agent.config.fields import Duration
from agent.config.secrets import Secret
from agent.http.access import ProxySection, TlsSection
from agent.http.urls import read_url
from agent.inbound.base import RelaySection
from agent.model import SECOND


class SseRelay(RelaySection):
    """A channel of gosmee or smee.io."""

    type: Literal["sse"]
    """What kind of relay this is."""
    url: Annotated[str, WrapValidator(read_url)]
    """The channel: https://gosmee.example.com/events/CHANNEL, or https://smee.io/CHANNEL."""
    token: Secret | None = None
    """What the relay asks for, as a bearer token, if anything."""
    body: Literal["raw", "parsed"] = "raw"
    """raw: it hands over the sender's bytes (gosmee's bodyB); parsed: parsed JSON alone, as smee.io does."""
    silence: Annotated[Duration, Field(ge=5 * SECOND)] = 60 * SECOND
    """A connection without a word for so long is dead, and opened anew; relays ping every 30 s."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=300 * SECOND)] = 15 * SECOND
    """How long the connection may take to be opened."""
    tls: TlsSection | None = None
    """Certificates for https://, where those of the system are not enough."""
    proxy: ProxySection | None = None
    """The HTTP proxy by which the relay is reached."""
