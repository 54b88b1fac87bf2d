"""Sources over the control socket: a device is left to somebody else for a while, and taken back."""

from typing import Annotated, Final, Protocol

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from agent.model import SECOND, Json
from agent.web.answering import answered, login
from agent.web.orders import read

LONGEST_PAUSE_S: Final = 86_400
"""A pause that somebody forgot must not last: nothing is watched meanwhile."""


class PauseOrder(BaseModel):
    """For how long nothing is connected to a device, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    for_s: Annotated[float, Field(gt=0, le=LONGEST_PAUSE_S)]
    by: str = ""


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
        who = login(request)
        by = f"{order.by} ({who})" if order.by not in ("", who) else who
        name = request.match_info["name"]
        return {"paused": name, "reason": await sources.pause(name, round(order.for_s * SECOND), by)}

    async def resume(request: web.Request) -> Json:
        sources.resume(request.match_info["name"])
        return {"resumed": request.match_info["name"]}

    return [
        web.post("/api/sources/{name}/pause", answered(pause)),
        web.post("/api/sources/{name}/resume", answered(resume)),
    ]
