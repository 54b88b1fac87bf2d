"""A consumer of a JetStream stream, as the configuration writes it; free of heavy imports."""

from typing import Literal

from agent.inbound.base import RelaySection


class NatsRelay(RelaySection):
    """A durable pull consumer of NATS JetStream: for fleets."""

    type: Literal["nats"]
    """What kind of relay this is."""
    stream: str
    """The stream that holds the messages."""
    consumer: str
    """The name of the durable consumer; each agent has its own."""
