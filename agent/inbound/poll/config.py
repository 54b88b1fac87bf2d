"""A relay with a polling endpoint, as the configuration writes it; free of heavy imports."""

from typing import Annotated, Final, Literal

from pydantic import Field, WrapValidator

from agent.config.fields import Duration
from agent.http.urls import host_of, read_url
from agent.inbound.http_access import HttpRelaySection
from agent.model import SECOND

MOST: Final = 250
"""Messages in one answer: what Svix allows."""
_KINDS_THAT_DO: Final = "an `edge-relay relay`, gosmee (type: sse) and NATS (type: nats) do hand them over"


class PollRelay(HttpRelaySection):
    """A polling endpoint of the shape of Svix; `edge-relay relay` has one."""

    type: Literal["poll"]
    """What kind of relay this is."""
    url: Annotated[str, WrapValidator(read_url)]
    """Where the messages are: https://relay.example.com/out/plant-7."""
    body: Literal["raw", "parsed"] = "raw"
    """raw: it hands over the sender's bytes (bodyB); parsed: parsed JSON alone, whose signature cannot be verified."""
    every: Annotated[Duration, Field(ge=1 * SECOND, le=3600 * SECOND)] = 10 * SECOND
    """How often it is asked while nothing comes, if it does not hold a question until something does."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=300 * SECOND)] = 15 * SECOND
    """How long one answer may take, beyond the time for which it was asked to wait."""
    limit: Annotated[int, Field(ge=1, le=MOST)] = MOST
    """How many messages it is asked for at once, at most; fewer are where they are large."""

    @property
    def raw_bytes(self) -> str:
        """See the base."""
        host = host_of(self.url)
        if host == "svix.com" or host.endswith(".svix.com"):
            return f"Svix gives parsed JSON, and not the bytes that the sender has signed; {_KINDS_THAT_DO}"
        if self.body == "parsed":
            return f"`body: parsed` gives up the bytes that the sender has signed; {_KINDS_THAT_DO}"
        return ""
