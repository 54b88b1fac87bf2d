"""Sources over HTTP: a device is left to somebody else for a while, and taken back."""

from collections.abc import Sequence
from typing import Protocol

from agent.model import SECOND, Json
from agent.web.orders import PauseOrder, read
from agent.web.routes import Asked, Parameter, Route, command
from agent.web.rows import Paused, Resumed

_NAME = Parameter("name", "the source, as the configuration names it", {"type": "string"})


class Pausing(Protocol):
    """The operator's hand on the sources."""

    async def pause(self, name: str, duration: int, by: str) -> str:
        """Leave the device for `duration` nanoseconds; what people are told. Raises UnknownError."""
        ...

    def resume(self, name: str) -> None:
        """Take it back now. Raises UnknownError, ImpossibleError: it is not paused."""
        ...


def source_routes(sources: Pausing) -> Sequence[Route]:
    """`POST /api/sources/NAME/pause` with a `PauseOrder`, and `/resume`."""

    async def pause(asked: Asked) -> Json:
        order, name = read(PauseOrder, asked.body), asked.named["name"]
        by = asked.by(order.by)
        return {"paused": name, "reason": await sources.pause(name, round(order.for_s * SECOND), by)}

    async def resume(asked: Asked) -> Json:
        sources.resume(asked.named["name"])
        return {"resumed": asked.named["name"]}

    path = "/api/sources/{name}"
    return [
        command(f"{path}/pause", "Leave a device alone for a while.", pause, Paused, _NAME, order=PauseOrder),
        command(f"{path}/resume", "Take a paused device back now.", resume, Resumed, _NAME),
    ]
