"""Destinations over HTTP: held back for a while, taken up again, sent once more what they had."""

from collections.abc import Sequence
from typing import Protocol

from agent.model import SECOND, Json
from agent.web.orders import HoldOrder, ReplayOrder, read
from agent.web.routes import Asked, Parameter, Route, command
from agent.web.rows import Enabled, Paused, Replayed, Resumed

_NAME = Parameter("name", "the destination, or RELAY/ROUTE", {"type": "string"})


class Holding(Protocol):
    """The operator's hand on the destinations; all raise UnknownError where there is none of the name."""

    async def pause(self, name: str, duration: int | None, by: str, reason: str) -> str:
        """Send nothing there for `duration` nanoseconds (None: until resumed); what people are told."""
        ...

    async def resume(self, name: str) -> dict[str, Json]:
        """Send again; how it is. Raises ImpossibleError: it is not paused."""
        ...

    async def enable(self, name: str) -> dict[str, Json]:
        """Take up a disabled one again; how it is. Raises ImpossibleError: it is paused, not disabled."""
        ...


class Replaying(Protocol):
    """The outbox by hand."""

    async def replay(self, order: ReplayOrder) -> dict[str, Json]:
        """Send again what was sent, or count it. Raises UnknownError: there is no such destination."""
        ...


def destination_routes(holding: Holding, desk: Replaying) -> Sequence[Route]:
    """`POST /api/destinations/NAME/pause` with a `HoldOrder`, `/resume`, `/enable`; `/api/replay`."""

    async def pause(asked: Asked) -> Json:
        order, name = read(HoldOrder, asked.body), asked.named["name"]
        duration = None if order.for_s is None else round(order.for_s * SECOND)
        return {
            "paused": name,
            "reason": await holding.pause(name, duration, asked.by(order.by), order.reason),
        }

    async def resume(asked: Asked) -> Json:
        name = asked.named["name"]
        return {"resumed": name, **await holding.resume(name)}

    async def enable(asked: Asked) -> Json:
        name = asked.named["name"]
        return {"enabled": name, **await holding.enable(name)}

    async def replay(asked: Asked) -> Json:
        return await desk.replay(read(ReplayOrder, asked.body))

    path = "/api/destinations/{name:.+}"
    again = "Send again what was delivered, or count it."
    return [
        command(f"{path}/pause", "Send nothing there; it waits.", pause, Paused, _NAME, order=HoldOrder),
        command(f"{path}/resume", "Send again to a paused destination.", resume, Resumed, _NAME),
        command(f"{path}/enable", "Try now, also one that was given up.", enable, Enabled, _NAME),
        command("/api/replay", again, replay, Replayed, order=ReplayOrder),
    ]
