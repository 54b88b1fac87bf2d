"""The table of destinations: what each kind of section is opened as.

Rules for whoever adds a kind: one class in the union (`config.py`), one branch here; mypy names the
branch that was forgotten. An adapter is imported when a destination of its kind is opened.
"""

from contextlib import AbstractAsyncContextManager
from typing import assert_never

from agent.clock import Clock
from agent.destinations.base import Destination
from agent.destinations.config import DestinationConfig
from agent.destinations.webhook.config import WebhookDestination


def open_destination(
    name: str, config: DestinationConfig, clock: Clock
) -> AbstractAsyncContextManager[Destination]:
    """Open a destination; left, the context closes all that it opened. Nothing is connected yet."""
    match config:
        case WebhookDestination():
            from agent.destinations.webhook.client import open_webhook  # noqa: PLC0415 - imported when configured

            return open_webhook(name, config, clock)
        case _:
            assert_never(config)
