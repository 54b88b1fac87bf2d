"""What the configuration may name as a relay of incoming webhooks; a kind that is added is added to the union."""

from typing import Annotated, TypeAlias

from pydantic import Field

from agent.inbound.nats.config import NatsRelay
from agent.inbound.poll.config import PollRelay
from agent.inbound.sse.config import SseRelay

RelayConfig: TypeAlias = Annotated[PollRelay | SseRelay | NatsRelay, Field(discriminator="type")]
"""poll: asked again and again, or held; sse: a channel that tells; nats: a stream of JetStream."""
