"""What the configuration may name as a destination; a kind that is added is added to the union.

Most destinations are webhooks, so a section that names no `type` is one.
"""

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from agent.destinations.mqtt.config import MqttDestination
from agent.destinations.nats.config import NatsDestination
from agent.destinations.webhook.config import WebhookDestination


def _a_webhook_unless_it_says_so(section: object) -> object:
    return {"type": "webhook"} | section if isinstance(section, dict) and "type" not in section else section


DestinationConfig: TypeAlias = Annotated[
    WebhookDestination | NatsDestination | MqttDestination,
    Field(discriminator="type"),
    BeforeValidator(_a_webhook_unless_it_says_so),
]
"""webhook: a signed POST for each event; nats: into a stream of JetStream; mqtt: to a broker."""
