"""Sources over the control socket: a device is left to somebody else for a while, and taken back."""

from typing import Protocol

from aiohttp import web

from agent.model import SECOND, Json
from agent.web.answering import answered, asker
from agent.web.orders import PauseOrder, read


class Pausing(Protocol):
    """The operator's hand on the sources."""

    async def pause(self, name: str, duration: int, by: str) -> str:
        """Leave the device for `duration` nanoseconds; what people are told. Raises UnknownError."""
        ...

    def resume(self, name: str) -> None:
        """Take it back now. Raises UnknownError, ImpossibleError: it is not paused."""
        ...


def source_routes(sources: Pausing) -> list[web.RouteDef]:
    """`POST /api/sources/NAME/pause` with a `PauseOrder`, and `/resume`."""

    async def pause(request: web.Request) -> Json:
        order = read(PauseOrder, await request.read())
        name, by = request.match_info["name"], asker(request, order.by)
        return {"paused": name, "reason": await sources.pause(name, round(order.for_s * SECOND), by)}

    async def resume(request: web.Request) -> Json:
        sources.resume(request.match_info["name"])
        return {"resumed": request.match_info["name"]}

    return [
        web.post("/api/sources/{name}/pause", answered(pause)),
        web.post("/api/sources/{name}/resume", answered(resume)),
    ]
