"""Destinations over the control socket: held back for a while, taken up again, sent once more what they had."""

from typing import Protocol

from aiohttp import web

from agent.model import SECOND, Json
from agent.web.answering import answered, asker
from agent.web.orders import HoldOrder, ReplayOrder, read


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


def destination_routes(holding: Holding, desk: Replaying) -> list[web.RouteDef]:
    """`POST /api/destinations/NAME/pause` with a `HoldOrder`, `/resume`, `/enable`; `/api/replay`."""

    async def pause(request: web.Request) -> Json:
        order = read(HoldOrder, await request.read())
        name, by = request.match_info["name"], asker(request, order.by)
        duration = None if order.for_s is None else round(order.for_s * SECOND)
        return {"paused": name, "reason": await holding.pause(name, duration, by, order.reason)}

    async def resume(request: web.Request) -> Json:
        name = request.match_info["name"]
        return {"resumed": name, **await holding.resume(name)}

    async def enable(request: web.Request) -> Json:
        name = request.match_info["name"]
        return {"enabled": name, **await holding.enable(name)}

    async def replay(request: web.Request) -> Json:
        return await desk.replay(read(ReplayOrder, await request.read()))

    return [
        web.post("/api/destinations/{name:.+}/pause", answered(pause)),
        web.post("/api/destinations/{name:.+}/resume", answered(resume)),
        web.post("/api/destinations/{name:.+}/enable", answered(enable)),
        web.post("/api/replay", answered(replay)),
    ]
