"""A relay with a polling endpoint, as the configuration writes it; free of heavy imports."""

from typing import Annotated, Literal

from pydantic import Field, WrapValidator

from agent.config.fields import Duration
from agent.config.secrets import Secret
from agent.http.access import ProxySection, TlsSection
from agent.http.urls import read_url
from agent.inbound.base import RelaySection
from agent.model import SECOND


class PollRelay(RelaySection):
    """A polling endpoint of the shape of Svix; `edge-relay relay` has one."""

    type: Literal["poll"]
    """What kind of relay this is."""
    url: Annotated[str, WrapValidator(read_url)]
    """Where the messages are: https://relay.example.com/out/plant-7."""
    token: Secret | None = None
    """What the relay asks for, as a bearer token: ${file:...}."""
    body: Literal["raw", "parsed"] = "raw"
    """raw: it hands over the sender's bytes (bodyB); parsed: parsed JSON alone, whose signature cannot be verified."""
    every: Annotated[Duration, Field(ge=1 * SECOND)] = 10 * SECOND
    """How often it is asked while nothing comes, if it does not hold a question until something does."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=300 * SECOND)] = 15 * SECOND
    """How long one answer may take, beyond the time for which it was asked to wait."""
    tls: TlsSection | None = None
    """Certificates for https://, where those of the system are not enough."""
    proxy: ProxySection | None = None
    """The HTTP proxy by which the relay is reached."""
