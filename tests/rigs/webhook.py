"""A webhook destination as a configuration writes it, opened on a clock that a test moves."""

import time
from contextlib import asynccontextmanager

from agent.destinations import open_destination
from agent.destinations.base import Message
from agent.destinations.webhook.config import WebhookDestination
from agent.model import SECOND

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = Message("evt_019a", b'{"type":"agent.test"}')


class MovedClock:
    """The machine's clocks; the wall clock `ahead` of what it is, in seconds."""

    def __init__(self, ahead=0.0) -> None:
        self.ahead = ahead

    def monotonic(self):
        return time.monotonic_ns()

    def wall(self):
        return time.time_ns() + round(self.ahead * SECOND)


def section(url, **changes: object):
    """A section, checked as the loader checks it."""
    return WebhookDestination.model_validate({"url": url, "signing": {"secret": SECRET}, **changes})


@asynccontextmanager
async def opened(url, clock=None, **changes: object):
    """The destination, ready; given a port, one on loopback over plain HTTP."""
    url = f"http://127.0.0.1:{url}/hooks/plant" if isinstance(url, int) else url
    async with open_destination("cmms", section(url, **changes), clock or MovedClock()) as destination:
        yield destination
