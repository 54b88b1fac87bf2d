"""What the configuration may name as a destination; a kind that is added is added to the union."""

from typing import TypeAlias

from agent.destinations.webhook.config import WebhookDestination

DestinationConfig: TypeAlias = WebhookDestination
