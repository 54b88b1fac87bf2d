"""A NATS destination against a real server: its section, one attempt, an event to send."""

import asyncio
from contextlib import asynccontextmanager

from pydantic import TypeAdapter

from agent.clock import SystemClock
from agent.delivery.body import Identity
from agent.destinations import open_destination
from agent.destinations.base import Message
from agent.destinations.config import DestinationConfig
from agent.model import Event, EventType, NoAnswer, Priority

PLANT = Identity("dresden", "line-4", "epoch")
_SECTION = TypeAdapter(DestinationConfig)


def section(port: int, **keys: object):
    """Make a section for a server on loopback."""
    basis = {"type": "nats", "servers": [f"nats://127.0.0.1:{port}"], "timeout": "2s"}
    return _SECTION.validate_python(basis | keys)


@asynccontextmanager
async def destination(port: int, **keys: object):
    async with open_destination("log", section(port, **keys), SystemClock(), PLANT) as opened:
        yield opened


def message(number: int = 1, body: bytes = b'{"a":1}', **event: object) -> Message:
    """Number so many of an alarm's events."""
    basis = {"rule": "R1", "tag": "TT101", "subject": "R1", "priority": Priority.HIGH}
    made = Event(f"evt_{number}", EventType.ALARM_RAISED, at=0, **basis | event)
    return Message(made.id, body, "application/json", (made,))


async def once(port: int, /, sent: Message | None = None, **keys: object):
    """One attempt over a connection of its own."""
    async with destination(port, **keys) as opened:
        return await opened.deliver(sent or message())


class Slow:
    """A destination, a moment slower, so that five hundred events have a middle.

    Attributes:
        under_way: attempts now.
        failed: attempts that had no answer.
    """

    clock_offset = 0
    utc_offset = None

    def __init__(self, opened) -> None:
        self._opened = opened
        self.under_way = 0
        self.failed = 0

    async def deliver(self, sent):
        self.under_way += 1
        try:
            outcome = await self._opened.deliver(sent)
            await asyncio.sleep(0.005)
        finally:
            self.under_way -= 1
        self.failed += isinstance(outcome, NoAnswer)
        return outcome
