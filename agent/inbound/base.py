"""What every relay kind is: a section of the configuration, and a session that hands over what came.

A kind's folder declares its section (`config.py`, free of heavy imports) and an async
`run(name, config, accept, clock, cursor)`: ONE session. It asks its relay, hands every message over with
`accept`, and acknowledges it to the relay only after `accept` has returned: then it is on disk. It never
reconnects: the supervisor owns that, with back-off. It raises `RelayError` with the relay, the cause and
the remedy in its message, never a token. It closes everything it opened, whatever ends it.

`cursor` is where the last session stood, as bytes of the kind's own making: it is stored with the
messages in one transaction. So a message may come again, and none is left out; what came before is
known by its signature. `accept(())` says that the relay has answered, and stores nothing.

What cannot be used (it is too large, it is no message), and what the relay says that it has lost, is
handed over as well, in its place, with the reason (`Arrived.unusable`): it reaches the audit and the
cloud, and the log not more often than people can read.

`accept` may take long: while the agent's own store is full, or the service of a route takes nothing.
It raises `StoreUnavailable` when nothing was taken: offer the same again, after a pause.
"""

from collections.abc import Sequence
from typing import Annotated, Protocol

from pydantic import Field

from agent.config.fields import Section
from agent.inbound.routes import RouteSection
from agent.incoming.message import Arrived
from agent.signing.config import Verification


class Accept(Protocol):
    """Takes messages in their order; returns when they are on disk, or refused for good."""

    async def __call__(self, messages: Sequence[Arrived], cursor: bytes | None = None) -> None:
        """Take `messages`; `cursor`: where the next session goes on, None: where this one did.

        Raises:
            StoreUnavailable: nothing was taken, offer it again.
        """
        ...


class RelaySection(Section):
    """What a relay of any kind may say."""

    verify: Verification
    """How a message is proved to be its sender's: {scheme: ed25519, key: whpk_...}, {secret: whsec_...}, or none."""
    routes: dict[Annotated[str, Field(pattern=r"^\w[\w.-]{0,99}$")], RouteSection] = Field(default={})
    """What is done with which messages, by name; the first that fits takes it."""

    @property
    def raw_bytes(self) -> str:
        """Why this relay does not hand over what the sender has signed, byte for byte; empty: it does."""
        return ""


MaximumBody = Annotated[int, Field(ge=1_000, le=100_000_000)]
LARGEST_BODY = 5_000_000
"""Bytes of a message that are taken at most, whatever the relay allows."""
