"""The table of destinations: what each kind of section is opened as.

Rules for whoever adds a kind: one class in the union (`config.py`), one branch here; mypy names the
branch that was forgotten. An adapter is imported when a destination of its kind is opened.
"""

from contextlib import AbstractAsyncContextManager
from typing import assert_never

from agent.clock import Clock
from agent.delivery.body import Identity
from agent.destinations.base import Destination
from agent.destinations.config import DestinationConfig
from agent.destinations.expiry import about_to_expire
from agent.destinations.mqtt.config import MqttDestination
from agent.destinations.nats.config import NatsDestination
from agent.destinations.webhook.config import WebhookDestination

_NOBODY = Identity("", "", "")


def open_destination(
    name: str, config: DestinationConfig, clock: Clock, identity: Identity = _NOBODY
) -> AbstractAsyncContextManager[Destination]:
    """Open a destination; left, the context closes all that it opened. Nothing is connected yet.

    `identity` is whose events it gets, for what is addressed by it (subjects and topics).
    """
    match config:
        case WebhookDestination():
            from agent.destinations.webhook.client import open_webhook  # noqa: PLC0415 - imported when configured

            return open_webhook(name, config, clock)
        case NatsDestination():
            from agent.destinations.nats.client import open_nats  # noqa: PLC0415 - as above

            return open_nats(name, config, clock, identity)
        case MqttDestination():
            from agent.destinations.mqtt.client import open_mqtt  # noqa: PLC0415 - as above

            return open_mqtt(name, config, clock, identity)
        case _:
            assert_never(config)


def expiring(name: str, config: DestinationConfig, wall: int) -> list[str]:
    """Say which certificates of a destination must be renewed, a sentence each; blocks on their files.

    `wall` is nanoseconds UTC.
    """
    match config:
        case WebhookDestination(auth=auth):
            oauth2 = None if auth is None else auth.oauth2
            return about_to_expire(name, (config.tls, None if oauth2 is None else oauth2.tls), wall)
        case NatsDestination() | MqttDestination():
            return about_to_expire(name, (config.tls,), wall)
        case _:
            assert_never(config)
