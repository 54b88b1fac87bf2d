"""The table of relays: the session that each kind of section is.

Rules for whoever adds a kind: one class in the union (`config.py`), one branch here; mypy names the
branch that was forgotten. An adapter is imported when a relay of its kind is started.
"""

# ruff: noqa: PLC0415 - that import on demand is the point of this table

from collections.abc import Awaitable, Callable
from typing import TypeAlias, assert_never

from agent.clock import Clock
from agent.inbound.base import Accept
from agent.inbound.config import RelayConfig
from agent.inbound.nats.config import NatsRelay
from agent.inbound.poll.config import PollRelay
from agent.inbound.sse.config import SseRelay

Session: TypeAlias = Callable[[str, Accept, Clock, bytes | None], Awaitable[None]]


def session(config: RelayConfig) -> Session:
    """Give the session of a relay: called with its name, it runs until the relay is lost."""
    match config:
        case PollRelay():
            from agent.inbound.poll import session as poll

            return lambda name, accept, clock, cursor: poll.run(name, config, accept, clock, cursor)
        case SseRelay():
            from agent.inbound.sse import session as sse

            return lambda name, accept, clock, cursor: sse.run(name, config, accept, clock, cursor)
        case NatsRelay():
            from agent.inbound.nats import session as nats

            return lambda name, accept, clock, cursor: nats.run(name, config, accept, clock, cursor)
        case _:
            assert_never(config)
