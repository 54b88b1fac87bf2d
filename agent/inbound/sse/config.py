"""A channel of server-sent events, as the configuration writes it; free of heavy imports."""

from typing import Annotated, Final, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, WrapValidator

from agent.config.fields import Duration
from agent.http.urls import host_of, read_url
from agent.inbound.http_access import HttpRelaySection
from agent.model import SECOND

_SMEE: Final = "smee.io"
_KINDS_THAT_DO: Final = "an `edge-relay relay` (type: poll), gosmee (body: raw) and NATS (type: nats) do"


def _check_channel(url: str) -> str:
    if "pubkey" in parse_qs(urlsplit(url).query, keep_blank_values=True):
        raise ValueError(
            "`pubkey` asks gosmee to encrypt, which this agent cannot read: name a channel that is not "
            "protected, https:// hides what comes, and `verify` proves whose it is"
        )
    return url


class SseRelay(HttpRelaySection):
    """A channel of gosmee or smee.io; only a gosmee with Redis keeps what comes while the agent is away."""

    type: Literal["sse"]
    """What kind of relay this is."""
    url: Annotated[str, WrapValidator(read_url), AfterValidator(_check_channel)]
    """The channel: https://gosmee.example.com/events/CHANNEL, or https://smee.io/CHANNEL."""
    body: Literal["raw", "parsed"] = "raw"
    """raw: it hands over the sender's bytes (gosmee's bodyB); parsed: parsed JSON alone, as smee.io does."""
    silence: Annotated[Duration, Field(ge=5 * SECOND, le=3600 * SECOND)] = 60 * SECOND
    """A connection without a word for so long is dead, and opened anew; relays ping every 30 s."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=300 * SECOND)] = 15 * SECOND
    """How long the connection may take to be opened."""

    @property
    def raw_bytes(self) -> str:
        """See the base."""
        host = host_of(self.url)
        if host == _SMEE or host.endswith(f".{_SMEE}"):
            return f"smee.io hands over parsed JSON, and not the bytes that the sender has signed; {_KINDS_THAT_DO}"
        if self.body == "parsed":
            return f"`body: parsed` gives up the bytes that the sender has signed; {_KINDS_THAT_DO}"
        return ""
