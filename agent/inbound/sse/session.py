"""One session with a relay of this kind; see `agent.inbound.base`."""

from agent.clock import Clock
from agent.errors import RelayError
from agent.inbound.base import Accept
from agent.inbound.sse.config import SseRelay


async def run(name: str, config: SseRelay, accept: Accept, clock: Clock, cursor: bytes | None) -> None:
    """Take messages until the relay is lost.

    Raises:
        RelayError: it cannot be asked (any more).
    """
    raise RelayError("not built yet")
